"""What the parts of a split hold."""

import hashlib

import numpy as np

from kidneyct.files import index


def counts(table, series, classes):
    """Images and series of each class, and of all, in each part: a dictionary for each of `classes` and None for all.

    `table` is the split, `series` (n,) numbers. Keys: label, images, series, and under "parts" a pair (images, series)
    for train, validation, test and, of what no part uses, "without".
    """
    found, in_part = [], table["split"].where(table["split"].isin(index.PARTS), "without")
    for label in [*classes, None]:
        chosen = np.ones(len(table), bool) if label is None else (table["label"] == label).to_numpy()
        parts = {name: series[chosen & (in_part == name)] for name in (*index.PARTS, "without")}
        parts = {name: (len(own), len(np.unique(own))) for name, own in parts.items()}
        own = series[chosen]
        found.append({"label": label, "images": len(own), "series": len(np.unique(own)), "parts": parts})
    return found


def fingerprint(hashes):
    """SHA-256 over the image files' own, sorted: two runs with the same one saw the same files."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
