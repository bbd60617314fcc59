"""How much of the test set the training set already holds, and what that is worth without any network."""

import numpy as np
import pandas as pd

from kidneyct.files.rounding import rounded
from kidneyct.leakage import baselines
from kidneyct.series import inference, known_series

PERMUTATIONS = 5
SIMILARITIES = (0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
MOST = 25_000  # images of which the curve is drawn; the time grows with their square


def measure(index, thumbnails, series, codes, parts, similarity, units, slices, inferred=None, seed=0):
    """The leak of a split: what of the test images the training images hold, baselines' accuracy, and null controls.

    `index` (sha256, width, height), thumbnails (n, 25, 25), series, codes and parts (n,) have a row for each image; so
    has `inferred`, where the series are known. A near-duplicate is a thumbnail that correlates above `similarity`;
    `units` (n,) and `slices` tune the linear baselines, as in `logistic.tuned`. Validation images are left out of both
    sides. `crossing` counts the series with images in both, `mixed` those of several classes.
    Where series are known, `inference` says how well they would have been inferred, and `across_series` how many test
    images have a near-duplicate of another series, say of another patient, in training. `null_controls` are the
    baselines' accuracy once the series have swapped their labels at random, a mean over PERMUTATIONS.

    Returns `leakage.json` and the baselines' predictions, name -> codes of the test rows in order.
    """
    train, test = (np.flatnonzero(np.asarray(parts) == part) for part in ("train", "test"))
    hashes, series, codes = index["sha256"].to_numpy(), np.asarray(series), np.asarray(codes)
    position, correlation = inference.nearest(thumbnails[test], thumbnails[train])
    known, asked = (
        baselines.features(thumbnails[rows], index["width"].to_numpy()[rows], index["height"].to_numpy()[rows])
        for rows in (train, test)
    )
    models = baselines.tuned(known, codes[train], series[train], np.asarray(units)[train], slices)

    def accuracies(predicted, codes):
        return {name: np.mean(values == codes[test]) for name, values in predicted.items()}

    predicted = baselines.answers(models, asked, codes[train], position)
    shuffled, generator = [], np.random.default_rng(seed)
    for _ in range(PERMUTATIONS):
        swapped = baselines.permuted(codes, series, generator)
        again = baselines.refitted(models, known, swapped[train], series[train], slices)
        shuffled.append(accuracies(baselines.answers(again, asked, swapped[train], position), swapped))
    identical = np.isin(hashes[test], hashes[train])
    crossing = np.intersect1d(series[test], series[train])
    near = {"share": np.mean(correlation > similarity), "median_correlation": np.median(correlation)}
    origin = {"origin": "inferred"}
    if inferred is not None:
        apart = series[test], series[train]  # another series, say of another patient
        across = inference.nearest(thumbnails[test], thumbnails[train], apart=apart)[1] > similarity
        near["across_series"] = {"share": np.mean(across), "images": int(across.sum())}
        origin = {"origin": "known", "inference": known_series.agreement(series, inferred)}
    result = rounded(
        {
            "test_images": len(test),
            "near_duplicates": near,
            "identical_files": {"share": np.mean(identical), "images": int(identical.sum())},
            "series": origin
            | {
                "all": len(np.unique(series)),
                "mixed": int((pd.crosstab(series, codes) > 0).sum(axis=1).gt(1).sum()),
                "in_test": len(np.unique(series[test])),
                "crossing": len(crossing),
                "share_of_test_images_crossing": np.mean(np.isin(series[test], crossing)),
            },
            "accuracy": accuracies(predicted, codes),
            "null_controls": {"permuted_labels": pd.DataFrame(shuffled).mean().to_dict()},
        }
    )
    return result, predicted


def closest_pairs(thumbnails, hashes, series, codes, parts, per_class, similarity=None):
    """For each class the test images nearest to a training image, the closest first.

    Returns a table of test and training, rows of the index, the correlation of their thumbnails, and whether they are
    of one series: same or another. Pairs of one and the same file are left out where others are to be had: they look
    alike without telling much. With `similarity`, where series are known, then come as many near-duplicates of another
    series, if there are others than these; the same file in two series is one too.
    """
    train, test = (np.flatnonzero(np.asarray(parts) == part) for part in ("train", "test"))
    hashes, series, codes = np.asarray(hashes), np.asarray(series), np.asarray(codes)
    position, correlation = inference.nearest(thumbnails[test], thumbnails[train])
    same = hashes[test] == hashes[train][position]
    if similarity is not None:
        apart = series[test], series[train]
        other, likeness = inference.nearest(thumbnails[test], thumbnails[train], apart=apart)
    pairs = []
    for code in np.unique(codes[test]):
        of_class = np.flatnonzero(codes[test] == code)
        order = of_class[np.lexsort((-correlation[of_class], same[of_class]))][:per_class]
        pairs += [(test[at], train[position[at]], float(correlation[at])) for at in order]
        if similarity is not None:
            near = of_class[likeness[of_class] > similarity]
            order = near[np.argsort(-likeness[near], kind="stable")][:per_class]
            pairs += [(test[at], train[other[at]], float(likeness[at])) for at in order]
    table = pd.DataFrame(list(dict.fromkeys(pairs)), columns=["test", "training", "correlation"])
    same = series[table["test"]] == series[table["training"]]
    return table.assign(series=np.where(same, "same", "another"))


def curve(thumbnails, groups, codes, similarities=SIMILARITIES):
    """A line for each similarity: the number of series, of series with two classes, and a look-up's accuracy.

    `thumbnails` are (n, 25, 25), `groups` as in `inference.infer` and `codes` (n,). `nearest_thumbnail` is the share of
    all images whose class is that of the most similar image of another series: high where slices of one scan are
    several series. It is NaN where there is one series alone. Of more than MOST images there is no line.
    """
    columns = ["similarity", "series", "mixed", "nearest_thumbnail"]
    if len(thumbnails) > MOST:
        return pd.DataFrame(columns=columns)
    ascending, codes = sorted(similarities), np.asarray(codes)
    partitions = inference.infer(thumbnails, groups, ascending)
    fine_first = partitions[::-1]
    nearest = inference.nearest(thumbnails, thumbnails, apart=(fine_first, fine_first))
    position, correlation = (values[::-1] for values in nearest)
    lines = []
    for at, (similarity, numbers) in enumerate(zip(ascending, partitions, strict=True)):
        mixed = pd.crosstab(numbers, codes).gt(0).sum(axis=1).gt(1).sum()
        right = np.mean(codes[position[at]] == codes) if np.isfinite(correlation[at]).all() else np.nan
        lines.append((similarity, numbers.max() + 1, mixed, right))
    return pd.DataFrame(lines, columns=columns)
