"""Rows of the index, the one currency: every array's first axis, and every table's lines, are addressed by them."""

import numpy as np
import pandas as pd

PARTS = ("train", "validation", "test")
DROPPED = "dropped"  # rows that no part holds: one file under several classes
UNUSED = "unused"  # rows that would train but for train.fraction
TEXT = ("image", "label", "predicted", "split", "sha256")
PROBABILITY = "probability of "  # the columns of predictions.csv that hold the classes' probabilities begin so


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


def predictions(table, rows, classes, probabilities):
    """The table of a model's predictions, a line for each of `rows`: image, label, predicted and a probability a class.

    `probabilities` is (len(rows), classes). Whoever needs a class or a probability later reads it here, so that two
    classes of nearly one probability are never told apart in two ways.
    """
    found = table.loc[rows, ["image", "label"]]
    found["predicted"] = np.array(classes)[probabilities.argmax(axis=1)]
    found[[PROBABILITY + label for label in classes]] = probabilities
    return found


def probabilities(predictions, classes):
    """The class probabilities of such a table, (n, classes)."""
    return predictions[[PROBABILITY + label for label in classes]].to_numpy()


def certainty(predictions):
    """The probability of each line's predicted class, (n,)."""
    return np.array([line[PROBABILITY + line["predicted"]] for _, line in predictions.iterrows()], float)
