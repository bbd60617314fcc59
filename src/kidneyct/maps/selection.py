"""Which test images are explained, and the record of an explained one."""

from typing import NamedTuple

import numpy as np

from kidneyct.files import index
from kidneyct.files.predictions import certainty


class Example(NamedTuple):
    """A test image with its maps, as it is shown."""

    name: str  # of the image's file
    image: np.ndarray  # (h, w, 3) uint8
    label: str | None  # the true class, where it is known
    predicted: str
    probability: float  # of the predicted class
    maps: dict  # method -> (h, w), or smaller


def choose(table, classes, count):
    """Rows of `count` test images of each class in turn, evenly spaced over its test rows; of fewer, all.

    They depend on no model, so none is shown at its best and all models are shown on the same images.
    """
    test = table["split"] == "test"
    return np.concatenate([_spaced(np.flatnonzero(test & (table["label"] == label)), count) for label in classes])


def _spaced(rows, count):
    """`count` of the rows, or all: the middles of as many equal stretches."""
    count = min(count, len(rows))
    return rows[((2 * np.arange(count) + 1) * len(rows) - 1) // (2 * count)] if count else rows[:0]


def spread(table, classes, total):
    """`total` test rows, as evenly over the classes as they divide; by `choose`."""
    each, more = divmod(total, len(classes))
    chosen = [choose(table, [label], each + (number < more)) for number, label in enumerate(classes)]
    return np.concatenate(chosen).astype(int)


def mistakes(table, predictions, count):
    """Rows of the `count` wrongly classified test images of highest probability, the highest first.

    `predictions` has a line for each test row in the table's order.
    """
    wrong = np.flatnonzero(predictions["label"] != predictions["predicted"])
    confidence = certainty(predictions)[wrong]
    return index.rows(table, "test")[wrong[np.argsort(-confidence, kind="stable")[:count]]]


def predicted(table, predictions, classes, rows):
    """Positions in `classes` of what a model took the test images in `rows` for, (len(rows),) int."""
    return index.codes(predictions["predicted"], classes)[_lines(table, rows)]


def _lines(table, rows):
    """Lines of a predictions table in which some test rows stand."""
    return np.searchsorted(index.rows(table, "test"), rows)


def explained(table, predictions, images, kept, mistakes=False):
    """The examples that an explain stage kept, which are the same for every model; or the model's mistakes.

    `kept` are its arrays, a name each: rows, mistake, and a map of each method for every row. Class and probability
    are those of `predictions`.
    """
    lines, probability = _lines(table, kept["rows"]), certainty(predictions)
    methods = [name for name in kept if name not in ("rows", "mistake")]
    return [
        Example(
            table["image"][row].split("/")[-1],
            images[row],
            table["label"][row],
            predictions["predicted"].iloc[lines[number]],
            float(probability[lines[number]]),
            {method: kept[method][number] for method in methods},
        )
        for number, row in enumerate(kept["rows"])
        if bool(kept["mistake"][number]) == mistakes
    ]
