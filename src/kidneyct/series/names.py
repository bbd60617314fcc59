"""The natural order of images' names, in which 2 comes before 10, and which images follow each other in it."""

import re

import numpy as np


def key(name):
    """What sorts a name in natural order: text and whole numbers by turns, text first."""
    return tuple(int(part) if at % 2 else part for at, part in enumerate(re.split(r"(\d+)", name)))


def order(names):
    """Rows of the names (n,) in natural order, (n,) int."""
    keys = [key(name) for name in names]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), int)


def neighbours(names):
    """Pairs (k, 2) of rows whose names follow each other in natural order and differ in the last whole number.

    What stands before that number is the same in both, the folder included; a name without a number has no neighbour.
    """
    rows = order(names)
    before = [key(names[row])[:-2] for row in rows]
    follow = [at for at in range(1, len(rows)) if before[at] and before[at] == before[at - 1]]
    return np.column_stack([rows[np.array(follow, int) - 1], rows[np.array(follow, int)]])
