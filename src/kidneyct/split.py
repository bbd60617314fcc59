"""Which rows train, validate and test."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from kidneyct.errors import InputError

PARTS = ("train", "validation", "test")


def by_image(labels, test, validation, seed):
    """The paper's way: images drawn at random, in the classes' proportions.

    `test` and `validation` are shares of all n images, rounded to whole images. Returns (n,) strings of
    PARTS. InputError where a part would lack a class.
    """
    labels = np.asarray(labels)
    rows = np.arange(len(labels))
    counts = {"test": round(test * len(rows)), "validation": round(validation * len(rows))}
    parts = np.full(len(rows), "train", dtype=object)
    rest = rows
    for part, count in counts.items():
        try:
            rest, chosen = train_test_split(rest, test_size=count, stratify=labels[rest], random_state=seed)
        except ValueError as error:
            raise InputError(
                f"split.{part}: {count} of {len(rows)} images can't be drawn in the classes' proportions "
                f"({error}); add images or change split.{part}"
            ) from None
        parts[chosen] = part
    for label in np.unique(labels):
        missing = [part for part in PARTS if not np.any((labels == label) & (parts == part))]
        if missing:
            raise InputError(
                f"split: no image of class {label} ({np.sum(labels == label)} images) falls into "
                f"{' and '.join(missing)}; add images or raise split.test and split.validation"
            )
    return parts


def read(path):
    """The split file: image, label, split, a line for each row of the index."""
    return pd.read_csv(path)


def rows(table, part):
    """Row numbers of one part, ascending."""
    return np.flatnonzero(table["split"].to_numpy() == part)


def codes(table, classes):
    """Each row's label as its position in `classes`, (n,) int."""
    return table["label"].map({name: code for code, name in enumerate(classes)}).to_numpy()


def examples(table, classes, count):
    """Rows of `count` test images of each class in turn, evenly spaced over its test rows.

    They depend on the split alone, so that both models explain the same images. A class with fewer gives
    all it has.
    """
    chosen = []
    for label in classes:
        of_class = np.flatnonzero((table["split"] == "test") & (table["label"] == label))
        places = np.linspace(0, len(of_class) - 1, min(count, len(of_class)) + 2)[1:-1]
        chosen.extend(of_class[np.unique(places.round().astype(int))] if count < len(of_class) else of_class)
    return np.array(chosen)
