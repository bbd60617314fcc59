"""What the parts of a split hold."""

import hashlib

import numpy as np

from kidneyct.files import index


def counts(table, series, classes):
    """Images and series of each class, and of all, in each part: a dictionary for each of `classes` and None for all.

    `table` is the split, `series` (n,) numbers. Keys: label, images, series, and under "parts" a pair (images, series)
    for train, validation, test and, of what no part uses, "without".
    """
    found = []
    for label in [*classes, None]:
        chosen = np.ones(len(table), bool) if label is None else (table["label"] == label).to_numpy()
        parts = {part: chosen & (table["split"] == part).to_numpy() for part in index.PARTS}
        parts["without"] = chosen & ~table["split"].isin(index.PARTS).to_numpy()
        found.append(
            {
                "label": label,
                "images": int(chosen.sum()),
                "series": len(np.unique(series[chosen])),
                "parts": {name: (int(part.sum()), len(np.unique(series[part]))) for name, part in parts.items()},
            }
        )
    return found


def fingerprint(hashes):
    """SHA-256 over the image files' own, sorted: two runs with the same one saw the same files."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
