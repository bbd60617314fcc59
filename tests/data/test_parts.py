"""What the parts of a split hold."""

import numpy as np
import pandas as pd

from kidneyct.series import split_summary


def test_images_and_series_by_class_and_part():
    table = pd.DataFrame({"label": list("aaabb"), "split": ["train", "train", "test", "test", "dropped"]})
    empty = {"train": (0, 0), "validation": (0, 0), "test": (0, 0), "without": (0, 0)}
    expected = [
        ("a", 3, 2, empty | {"train": (2, 1), "test": (1, 1)}),
        ("b", 2, 1, empty | {"test": (1, 1), "without": (1, 1)}),
        (None, 5, 3, empty | {"train": (2, 1), "test": (2, 2), "without": (1, 1)}),
    ]
    counts = split_summary.counts(table, np.array([0, 0, 1, 2, 2]), ["a", "b"])
    assert counts == [dict(zip(("label", "images", "series", "parts"), each, strict=True)) for each in expected]


def test_the_fingerprint_is_of_the_files_whatever_their_order():
    expected = "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"  # printf 'a\nb' | sha256sum
    assert split_summary.fingerprint(pd.Series(["b", "a"])) == expected
