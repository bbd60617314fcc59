"""Predictions from any framework on the published series: checked, measured, and set beside the study's models."""

from pathlib import Path

import pandas as pd

from kidneyct.experiments import intervals
from kidneyct.files import index, tables
from kidneyct.files.predictions import PROBABILITY
from kidneyct.images.container import listed
from kidneyct.pipeline.errors import InputError
from kidneyct.probe import probe
from kidneyct.statistics import pooled

SUM = 1e-3  # how far a row's probabilities may be from 1 in all


def read(path, published, classes, use="open"):
    """Predictions in a CSV file as codes (n,), series (n,) text, probabilities (n, k) and whether they are such.

    The file has a column `image` and one for each class, or `predicted`; a column may be named as in this project's
    own predictions. `published` is benchmark/series.csv. Every series of this `use`, open or locked, must be there, of
    each one image or more, and none of the other. InputError has a line for each kind of fault.
    """
    header, lines = tables.user_lines(Path(path).read_bytes(), path)
    header = [name.removeprefix(PROBABILITY) for name in header]
    table = pd.DataFrame(lines.values(), columns=header, dtype=str)
    scored = all(header.count(label) == 1 for label in classes)
    if header.count("image") != 1 or not (scored or header.count("predicted") == 1):
        raise InputError(
            f"{path}: expected a column image and a column for each of {', '.join(classes)}, or predicted; found "
            f"{', '.join(header) or 'none'}"
        )
    names, wanted = table["image"], published[published["use"] == use]
    own = published.set_index("image").reindex(names).reset_index()
    absent = sorted(set(wanted["series"]) - set(own["series"]))
    faults = {
        "images that benchmark/series.csv does not have": names[own["series"].isna()],
        "images twice or more": names[names.duplicated()].unique(),
        f"images of other than the {use} series": names[own["use"].notna() & (own["use"] != use)],
        f"{use} series without an image": absent,
    }
    if scored:
        values = table[list(classes)].apply(pd.to_numeric, errors="coerce")
        within = values.apply(lambda column: column.between(0, 1)).all(axis=1)
        whole = (values.sum(axis=1) - 1).abs() <= SUM
        faults["images with a probability that is no number from 0 to 1"] = names[~within]
        faults["images whose probabilities do not sum to 1"] = names[within & ~whole]
    else:
        values = pd.DataFrame({label: table["predicted"] == label for label in classes}).astype(float)
        faults[f"images predicted as none of {', '.join(classes)}"] = names[values.sum(axis=1) == 0]
    lines = [f"{path}: {len(found):,} {kind}: {listed(list(found))}" for kind, found in faults.items() if len(found)]
    if lines:
        raise InputError("\n".join(lines))
    return index.codes(own["class"], classes), own["series"].to_numpy(str), values.to_numpy(float), scored


def score(codes, series, probabilities, scored, classes):
    """Every measure of the study: of slices and, by mean probability, of whole series, with intervals over series.

    Arguments are what `read` gives. Without probabilities there is no macro AUROC and no log-loss.
    """
    counted = pooled.counts(codes, probabilities.argmax(axis=1), series, len(classes))
    names = ["accuracy", "macro_f1", *(f"recall of {label}" for label in classes)]
    slices = dict(zip(names, pooled.estimate([counted]), strict=True))
    of_series, actual = probe.by_series(probabilities, codes, series)
    whole = intervals.estimate(of_series[None, None], actual)
    left_out = () if scored else ("macro_auroc", "log_loss")
    return {
        "images": len(codes),
        "series": len(actual),
        "slices": slices,
        "of_series": {name: whole[name] for name in intervals.METRICS if name not in left_out},
    }
