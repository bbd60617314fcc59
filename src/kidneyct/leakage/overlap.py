"""What of an external test set the study holds already, and how like its training images the others are."""

import numpy as np

from kidneyct.files import index
from kidneyct.files.rounding import rounded
from kidneyct.leakage import baselines
from kidneyct.series import inference

NOWHERE = "none"  # of an image without a near-duplicate
PERCENTILE = 1  # of the training images that lie below the threshold of likeness


def likeness(thumbnails, training):
    """Correlation of each thumbnail (n, 25, 25) with the most similar training image's, (n,)."""
    return inference.nearest(thumbnails, training)[1]


def threshold(training, numbers):
    """The likeness below which an image looks unlike the training images, thumbnails (n, 25, 25) of series (n,).

    Each series in turn is compared with all others, as if it were new; `PERCENTILE` per cent of the training images
    are less like the rest than this. It tells other kinds of pictures, not unusual findings: a thumbnail knows
    nothing of a lesion. Without a second series nothing is known, and nothing is called unlike.
    """
    across = inference.nearest(training, training, apart=(numbers, numbers))[1]
    return float(np.percentile(across, PERCENTILE)) if len(np.unique(numbers)) > 1 else -1.0


def find(external, thumbnails, study, study_thumbnails, study_series, classes, similarity, units, slices):
    """A line for each external image: what of the study it is most like, and what a model without a network says.

    `external` and `study` are tables (image, label, width, height, sha256), `study` with its split; the thumbnails
    (n, 25, 25) and (m, 25, 25), `study_series` and `units` (m,) go with them, and `slices`, as in `logistic.tuned`. A
    near-duplicate is a thumbnail that correlates above `similarity`, or the same file.

    Columns: image, label; likeness, the correlation with the most similar training image, `training`; unlike, 1 where
    that is below `threshold`; study, the most similar of all the study's images, the same file where there is
    one; study_label and study_split of that; correlation with it; same_file, 0 or 1; near_duplicate, of "training"
    images, of others of the "study", or NOWHERE; and the class that each of index.BASELINES gives, as in `leakage`.
    """
    names, hashes, parts = (study[column].to_numpy() for column in ("image", "sha256", "split"))
    train, own = np.flatnonzero(parts == "train"), external["sha256"].to_numpy()
    limit = threshold(study_thumbnails[train], np.asarray(study_series)[train])
    near_training, alike = inference.nearest(thumbnails, study_thumbnails[train])
    near_study, correlation = inference.nearest(thumbnails, study_thumbnails)
    order = [*np.flatnonzero(parts != "train")[::-1], *train[::-1]]
    first = {hashes[row]: row for row in order}  # of equal files a training image's name goes first
    same = np.isin(own, hashes)
    near_study = np.array([first.get(digest, near) for digest, near in zip(own, near_study, strict=True)])
    of_training = (alike > similarity) | np.isin(own, hashes[train])
    of_study = of_training | (correlation > similarity) | same
    codes = index.codes(study["label"], classes)[train]
    known, asked = (
        baselines.features(greys, table["width"], table["height"])
        for greys, table in ((study_thumbnails[train], study.iloc[train]), (thumbnails, external))
    )
    models = baselines.tuned(known, codes, np.asarray(study_series)[train], np.asarray(units)[train], slices)
    answers = baselines.answers(models, asked, codes, near_training)
    return external[["image", "label"]].assign(
        likeness=alike,
        training=names[train][near_training],
        unlike=(alike < limit).astype(int),
        study=names[near_study],
        study_label=study["label"].to_numpy()[near_study],
        study_split=parts[near_study],
        correlation=np.where(same, 1.0, correlation),
        same_file=same.astype(int),
        near_duplicate=np.select([of_training, of_study], ["training", "study"], NOWHERE),
        **{name: np.array(classes)[found] for name, found in answers.items()},
    )


def apart(found, series):
    """Lines of `find` whose series hold no near-duplicate of the study's images, (n,) bool; `series` (n,) are theirs.

    A series is a scan: where one slice is in the study, the others are slices of a patient that it knows.
    """
    series = np.asarray(series)
    return ~np.isin(series, series[(found["near_duplicate"] != NOWHERE).to_numpy()])


def summary(found, series):
    """The part of external.json that says what the study holds, from the lines of `find` and their series (n,).

    `alike` is the share of images that look like the training images, `accuracy` the baselines'.
    """
    near = (found["near_duplicate"] != NOWHERE).to_numpy()
    return rounded(
        {
            "near_duplicates": {
                "training": int((found["near_duplicate"] == "training").sum()),
                "study": int(near.sum()),
                "share": near.mean(),
                "series": len(np.unique(np.asarray(series)[near])),
                "same_file": int(found["same_file"].sum()),
                "another_class": int((near & (found["label"] != found["study_label"]).to_numpy()).sum()),
            },
            "likeness": {
                "median": found["likeness"].median(),
                "alike": 1 - found["unlike"].mean(),
                "unlike_images": int(found["unlike"].sum()),
            },
            "accuracy": {name: (found[name] == found["label"]).mean() for name in index.BASELINES},
        }
    )
