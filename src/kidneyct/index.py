"""Rows of the index, the one currency: every array's first axis, and every table's lines, are addressed by them."""

import numpy as np
import pandas as pd

PARTS = ("train", "validation", "test")
DROPPED = "dropped"  # rows that no part holds: one file under several classes
UNUSED = "unused"  # rows that would train but for train.fraction
BASELINES = ("majority_class", "nearest_thumbnail", "linear_model")  # what needs no network
TEXT = ("image", "label", "predicted", "split", "sha256", *BASELINES)


def read(path):
    """A table of images, such as the index, the split or predictions; names and classes are text, "01" and "NA" too."""
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False)


def read_series(path):
    """The series number of each row, (n,) int."""
    return pd.read_csv(path, usecols=["series"])["series"].to_numpy()


def rows(table, part):
    """Row numbers of one part of the split, ascending."""
    return np.flatnonzero(table["split"].to_numpy() == part)


def codes(labels, classes):
    """Each label's position in `classes`, (n,) int."""
    return labels.map({name: code for code, name in enumerate(classes)}).to_numpy()
