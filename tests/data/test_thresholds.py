"""What a threshold of similarity decides, on thumbnails whose correlations are known."""

import numpy as np
from thumbnails import pictures

from kidneyct.data import thresholds

UNIQUE = [f"{number}" for number in range(99)]


def test_what_a_threshold_decides():
    # Two classes of three series each, two slices a series, 1° apart: 0.99985.
    angles = [start + step for start in (0, 50, 100, 150, 200, 250) for step in (0, 1)]
    labels = ["a"] * 4 + ["b"] * 4 + ["a"] * 2 + ["b"] * 2
    table = thresholds.sweep(pictures(*angles), UNIQUE[:12], np.array(labels), (0.5, 0.9, 0.99999), seed=0)
    # cos 49° = 0.656 links neighbouring series into one; at 0.99999 every image stands alone.
    assert table["series"].tolist() == [1, 6, 12]
    assert table["single"].tolist() == [0, 0, 12]
    assert table["mixed"].tolist() == [1, 0, 0]
    assert table["purity"].tolist() == [0.5, 1, 1]
    assert np.isnan(table["nearest_thumbnail"][0])  # one series can't be on two sides
    assert table["folds"][1:].tolist() == [3, 5]
    assert table["nearest_thumbnail"][2] > table["nearest_thumbnail"][1]
