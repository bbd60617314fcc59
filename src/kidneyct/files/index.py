"""Rows of the index, the one currency: every array's first axis, and every table's lines, are addressed by them."""

from pathlib import Path

import numpy as np
import pandas as pd

from kidneyct.files import tables
from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.errors import InputError, altered, shown

PARTS = ("train", "validation", "test")
DROPPED = "dropped"  # rows that no part holds: one file under several classes
UNUSED = "unused"  # rows that would train but for train.fraction
BASELINES = ("majority_class", "nearest_thumbnail", "linear_model", "acquisition", "acquisition_size")  # no network
TEXT = ("image", "label", "predicted", "split", "sha256", "reason", *BASELINES)
WHOLE = ("width", "height", "series", "inferred")
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
    name = getattr(path, "path", getattr(path, "name", path)) if hasattr(path, "read") else path
    table = tables.load(path, EXPECTED, dtype=dict.fromkeys(TEXT, str), keep_default_na=False)
    fault = _fault(table, COLUMNS.get(Path(str(name)).name, ()))
    if fault:
        raise altered(name, EXPECTED, fault)
    return table


def _fault(table, columns):
    """What keeps a table from being one of images with these columns, in words; None if nothing does."""
    absent = [column for column in columns if column not in table]
    if absent:
        return f"no column {', '.join(absent)}"
    for column in table.columns.intersection(TEXT):
        if (table[column].isna() | (table[column] == "")).any():
            return f"lines without {column}"
    for column in table.columns.intersection(WHOLE):
        if len(table) and not (pd.api.types.is_integer_dtype(table[column]) and table[column].min() >= 0):
            return f"another {column} than whole numbers"
    if "image" in table and not table["image"].is_unique:
        return f"{shown(table['image'][table['image'].duplicated()].iloc[0])} twice"
    if "split" in table and not table["split"].isin([*PARTS, DROPPED, UNUSED]).all():
        return "unknown parts in the column split"
    return None


def write(table, path):
    """Write a table without its row numbers; the file appears when it is complete."""
    with atomic_write(path) as partial:
        table.to_csv(partial, index=False)


def read_series(path, count=None):
    """The series number of each row, (n,) int, of `count` rows where it is given."""
    numbers = _numbers(path, "series")
    if count not in (None, len(numbers)):
        raise altered(path, f"a line for each of {count} images", len(numbers))
    return numbers


def read_inferred(path):
    """The inferred series number of each row, (n,) int, where the series are known; None where they are inferred."""
    return _numbers(path, "inferred") if "inferred" in read(path) else None


def _numbers(path, column):
    table = read(path)
    if column not in table:
        raise altered(path, EXPECTED, f"no column {column}")
    return table[column].to_numpy()


def same_rows(tables):
    """InputError where tables or columns, path -> table, don't have a line for each image of the first one."""
    first, *others = tables.items()
    for path, table in others:
        if len(table) != len(first[1]):
            raise altered(path, f"a line for each of the {len(first[1])} images of {first[0]}", len(table))
        if isinstance(table, pd.DataFrame) and (table["image"].to_numpy() != first[1]["image"].to_numpy()).any():
            raise altered(path, f"the images of {first[0]} in its order", "others")


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
