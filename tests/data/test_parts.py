"""What the parts of a split hold."""

import numpy as np
import pandas as pd

from kidneyct.series import split_summary


def test_images_and_series_by_class_and_part():
    table = pd.DataFrame({"label": list("aaabb"), "split": ["train", "train", "test", "test", "dropped"]})
    counts = split_summary.counts(table, np.array([0, 0, 1, 2, 2]), ["a", "b"])
    empty = {"train": (0, 0), "validation": (0, 0), "test": (0, 0), "without": (0, 0)}
    assert counts == [
        {"label": "a", "images": 3, "series": 2, "parts": empty | {"train": (2, 1), "test": (1, 1)}},
        {"label": "b", "images": 2, "series": 1, "parts": empty | {"test": (1, 1), "without": (1, 1)}},
        {
            "label": None,
            "images": 5,
            "series": 3,
            "parts": {**empty, "train": (2, 1), "test": (2, 2), "without": (1, 1)},
        },
    ]


def test_the_fingerprint_is_of_the_files_whatever_their_order():
    fingerprint = split_summary.fingerprint(pd.Series(["b", "a"]))
    assert fingerprint == split_summary.fingerprint(pd.Series(["a", "b"]))
    assert (
        fingerprint == "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"
    )  # printf 'a\nb' | sha256sum
    assert fingerprint != split_summary.fingerprint(pd.Series(["a", "c"]))
