"""Which class was taken for which."""

import numpy as np
import pandas as pd


def confusion(predictions, classes):
    """Counts (classes, classes) of a table with label and predicted: rows the actual class, columns the other."""
    counts = pd.crosstab(predictions["label"], predictions["predicted"])
    return counts.reindex(index=classes, columns=classes, fill_value=0).to_numpy()


def shares(counts):
    """Each count's share of its row, the actual class; 0 where a class has no image."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
