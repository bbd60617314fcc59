"""Rows of the index, the one currency: every array's first axis, and every table's lines, are addressed by them."""

import io
from pathlib import Path

import numpy as np
import pandas as pd

from kidneyct.draft import draft
from kidneyct.errors import InputError, altered, missing, shown

PARTS = ("train", "validation", "test")
DROPPED = "dropped"  # rows that no part holds: one file under several classes
UNUSED = "unused"  # rows that would train but for train.fraction
BASELINES = ("majority_class", "nearest_thumbnail", "linear_model")  # what needs no network
TEXT = ("image", "label", "predicted", "split", "sha256", "reason", *BASELINES)
WHOLE = ("width", "height", "series", "inferred")
COLUMNS = {  # what a table has at least, by its file's name
    "index.csv": ("image", "label", "width", "height", "sha256"),
    "rejected.csv": ("image", "label", "reason"),
    "series.csv": ("image", "series"),
    "split.csv": ("image", "label", "split"),
    "predictions.csv": ("image", "label", "predicted"),
}


def read(path):
    """A table of images, such as the index, the split or predictions; names and classes are text, "01" and "NA" too.

    `path` may be an open text file. InputError where it is missing, cut short or not such a table.
    """
    name = getattr(path, "path", getattr(path, "name", path)) if hasattr(path, "read") else path
    try:
        text = path.read() if hasattr(path, "read") else Path(path).read_bytes().decode("utf-8")
        table = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(TEXT, str), keep_default_na=False)
    except FileNotFoundError:
        raise missing(name) from None
    except Exception as error:  # what is no table can make the reader fail in any way
        raise altered(name, "a table of images", f"none ({error})") from None
    fault = _fault(table, COLUMNS.get(Path(str(name)).name, ()))
    if not text.endswith("\n"):
        fault = "a last line that is cut short"
    if fault:
        raise altered(name, "a table of images", fault)
    return table


def _fault(table, columns):
    """What keeps a table from being one of images with these columns, in words; None if nothing does."""
    absent = [column for column in columns if column not in table]
    if absent:
        return f"no column {', '.join(absent)}"
    if not isinstance(table.index, pd.RangeIndex):
        return "lines of more values than the first has names"
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
    with draft(path) as partial:
        table.to_csv(partial, index=False)


def read_series(path):
    """The series number of each row, (n,) int."""
    return _numbers(path, "series")


def read_inferred(path):
    """The inferred series number of each row, (n,) int, where the series are known; None where they are inferred."""
    return _numbers(path, "inferred") if "inferred" in read(path) else None


def _numbers(path, column):
    table = read(path)
    if column not in table:
        raise altered(path, "a table of images", f"no column {column}")
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


def codes(labels, classes):
    """Each label's position in `classes`, (n,) int; InputError where a label is none of them."""
    unknown = labels[~labels.isin(classes)]
    if len(unknown):
        raise InputError(
            f"data.classes: expected {', '.join(classes)} as labels of the images, found {shown(unknown.iloc[0])}; "
            "run dvc repro after a change of data.classes"
        )
    return labels.map({name: code for code, name in enumerate(classes)}).to_numpy()
