"""A model's predictions: the one table of classes and probabilities, so that a near tie is never told in two ways."""

import numpy as np
import pandas as pd

from kidneyct.files import index, tables
from kidneyct.pipeline.errors import corrupt

PROBABILITY = "probability of "  # the columns that hold the classes' probabilities begin so


def tabulate(table, rows, classes, probabilities):
    """A line for each of r `rows` of the split `table`, with image, label, predicted; `probabilities` (r, classes)."""
    predictions = table.loc[rows, ["image", "label"]]
    predictions["predicted"] = np.array(classes)[probabilities.argmax(axis=1)]
    predictions[[PROBABILITY + label for label in classes]] = probabilities
    return predictions


def read(path, classes):
    """A predictions table from a file; InputError where it is none, or lacks a probability of one of the classes."""
    table = index.read(path)
    if fault := tables.fault(table, {PROBABILITY + label: tables.SHARE for label in classes}):
        raise corrupt(path, "a table of predictions", fault)
    for column in ("label", "predicted"):
        index.codes(table[column], classes)
    return table


def certainty(predictions):
    """The probability of each line's predicted class, (n,)."""
    columns = predictions.columns.get_indexer(PROBABILITY + predictions["predicted"])
    return predictions.to_numpy()[np.arange(len(predictions)), columns].astype(float)


def confusion(predictions, classes):
    """Count which class was taken for which, (classes, classes): rows the actual class, columns the predicted one."""
    counts = pd.crosstab(predictions["label"], predictions["predicted"])
    return counts.reindex(index=classes, columns=classes, fill_value=0).to_numpy()


def shares(counts):
    """Each count's share of its row, the actual class; 0 where a class has no image."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
