"""Rows of the index, the one currency: every array's first axis, and every table's lines, are addressed by them."""

from pathlib import Path

import numpy as np
import pandas as pd

from kidneyct.files import tables
from kidneyct.pipeline.errors import InputError, corrupt, shown

PARTS = ("train", "validation", "test")
DROPPED = "dropped"  # rows that no part holds: one file under several classes
UNUSED = "unused"  # rows that would train but for train.fraction
BASELINES = ("majority_class", "nearest_thumbnail", "linear_model", "acquisition", "acquisition_size")  # no network
TEXT_COLUMNS = ("image", "label", "predicted", "split", "sha256", "reason", *BASELINES)
WHOLE_COLUMNS = ("width", "height", "series", "inferred")
KINDS = dict.fromkeys(TEXT_COLUMNS, tables.TEXT) | dict.fromkeys(WHOLE_COLUMNS, tables.WHOLE)
EXPECTED = "a table of images"
COLUMNS = {  # what a table has at least, by its file's name
    "index.csv": ("image", "label", "width", "height", "sha256"),
    "rejected.csv": ("image", "label", "reason"),
    "series.csv": ("image", "series"),
    "split.csv": ("image", "label", "split"),
    "predictions.csv": ("image", "label", "predicted"),
    "baselines.csv": ("image", "label", *BASELINES),
}


def read(path):
    """A table of images, such as the index, the split or predictions; names and classes are text, "01" and "NA" too.

    `path` may be an open text file. InputError where it is missing, cut short or not such a table.
    """
    name = tables.source(path)
    table = tables.load(path, EXPECTED, dtype=dict.fromkeys(TEXT_COLUMNS, str), keep_default_na=False)
    columns = COLUMNS.get(Path(str(name)).name, ())
    fault = tables.fault(table, {column: KINDS[column] for column in (*columns, *table) if column in KINDS})
    if not fault and "image" in table and not table["image"].is_unique:
        fault = f"{shown(table['image'][table['image'].duplicated()].iloc[0])} twice"
    if not fault and "split" in table and not table["split"].isin([*PARTS, DROPPED, UNUSED]).all():
        fault = "unknown parts in the column split"
    if fault:
        raise corrupt(name, EXPECTED, fault)
    return table


def read_series(path, count=None):
    """The series number of each row, (n,) int, of `count` rows where it is given."""
    numbers = read(path)["series"].to_numpy()
    if count not in (None, len(numbers)):
        raise corrupt(path, f"a line for each of {count} images", len(numbers))
    return numbers


def units(series, by):
    """What tuning holds whole, as `split.by` asks, a number for each row (n,): its series (n,), or by image the row."""
    return np.arange(len(series)) if by == "image" else series


def class_counts(series, codes):
    """Each row's series (n,) as its place among all k, ascending; and the rows of each by class, (k, c) int."""
    names, members = np.unique(series, return_inverse=True)
    counts = np.zeros((len(names), int(np.max(codes)) + 1), int)
    np.add.at(counts, (members, codes), 1)
    return members, counts


def same_rows(tables):
    """InputError where tables or columns, path -> table, don't have a line for each image of the first one."""
    first, *others = tables.items()
    for path, table in others:
        if len(table) != len(first[1]):
            raise corrupt(path, f"a line for each of the {len(first[1])} images of {first[0]}", len(table))
        if isinstance(table, pd.DataFrame) and (table["image"].to_numpy() != first[1]["image"].to_numpy()).any():
            raise corrupt(path, f"the images of {first[0]} in its order", "others")


def rows(table, part):
    """Row numbers of one part of the split, ascending."""
    return np.flatnonzero(table["split"].to_numpy() == part)


def test_rows(split, tables):
    """Row numbers of the test part; InputError where a table, path -> table, has not a line for each of its images."""
    found = rows(split, "test")
    same_rows({"the test part of data/split.csv": split.loc[found]} | tables)
    return found


def codes(labels, classes):
    """Each label's position in `classes`, (n,) int; InputError where a label is none of them."""
    unknown = labels[~labels.isin(classes)]
    if len(unknown):
        raise InputError(
            f"data.classes: expected {', '.join(classes)} as labels of the images, found {shown(unknown.iloc[0])}; "
            "run dvc repro after a change of data.classes"
        )
    return labels.map({name: code for code, name in enumerate(classes)}).to_numpy()
