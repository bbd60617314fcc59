"""A model's predictions: the table that all that come later read a class or a probability from.

So two classes of nearly one probability are never told apart in two ways.
"""

import numpy as np

PROBABILITY = "probability of "  # the columns that hold the classes' probabilities begin so


def tabulate(table, rows, classes, probabilities):
    """A line for each of `rows` of the split `table`: image, label, predicted and a probability for each class.

    `probabilities` is (len(rows), classes).
    """
    predictions = table.loc[rows, ["image", "label"]]
    predictions["predicted"] = np.array(classes)[probabilities.argmax(axis=1)]
    predictions[[PROBABILITY + label for label in classes]] = probabilities
    return predictions


def certainty(predictions):
    """The probability of each line's predicted class, (n,)."""
    columns = predictions.columns.get_indexer(PROBABILITY + predictions["predicted"])
    return predictions.to_numpy()[np.arange(len(predictions)), columns].astype(float)
