"""What a threshold of similarity decides, on thumbnails whose correlations are known."""

import numpy as np
from thumbnails import pictures

from kidneyct.leakage import thresholds

UNIQUE = [f"{number}" for number in range(99)]


def test_what_a_threshold_decides(monkeypatch):
    # Six series of two slices 1° apart (0.99985), 48° between those of the first and second (0.669), 49° elsewhere.
    angles = [0, 1, 49, 50, 99, 100, 149, 150, 199, 200, 249, 250]
    codes = [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    table = thresholds.curve(pictures(*angles), UNIQUE[:12], codes, (0.99999, 0.5, 0.9))
    assert table["similarity"].tolist() == [0.5, 0.9, 0.99999]
    assert table["series"].tolist() == [1, 6, 12]
    assert table["mixed"].tolist() == [1, 0, 0]
    assert np.isnan(table["nearest_thumbnail"][0])  # no other series
    assert table["nearest_thumbnail"][1:].tolist() == [0, 1]  # the classes alternate; then each slice's own sibling
    of_one_group = thresholds.curve(pictures(0, 90, 180), ["a", "b", "a"], [0, 1, 0], (0.5, 0.9))
    assert of_one_group["series"].tolist() == [2, 2]
    monkeypatch.setattr(thresholds, "MOST", 2)
    none = thresholds.curve(pictures(0, 90, 180), UNIQUE[:3], [0, 1, 0])
    assert (len(none), none.columns.tolist()) == (0, ["similarity", "series", "mixed", "nearest_thumbnail"])
