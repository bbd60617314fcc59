"""What leaks across a split, on thumbnails whose correlations are known."""

import numpy as np
import pytest
from thumbnails import pictures

from kidneyct.data import leakage

# Three series of three slices 1° apart (correlation 0.9998), 60° between series (at most cos 58° = 0.53).
ANGLES = [0, 1, 2, 60, 61, 62, 120, 121, 122]
SERIES = [0, 0, 0, 1, 1, 1, 2, 2, 2]
CODES = [0, 0, 0, 1, 1, 1, 1, 1, 1]
HASHES = list("aacdefghi")  # the first two images are one file


def measured(parts):
    parts = np.array([{"t": "train", "v": "validation", "e": "test"}[part] for part in parts])
    return leakage.measure(pictures(*ANGLES), HASHES, SERIES, CODES, parts, 0.99)


def test_an_image_wise_split_leaks():
    found = measured("tetettett")
    assert found["test_images"] == 3
    assert found["near_duplicates"]["share"] == 1
    assert found["near_duplicates"]["median_correlation"] == pytest.approx(np.cos(np.radians(1)), abs=1e-3)
    assert found["identical_files"] == {"share": pytest.approx(1 / 3, abs=1e-6), "images": 1}
    assert found["series"] == {"all": 3, "in_test": 3, "crossing": 3, "share_of_test_images_crossing": 1}
    assert found["accuracy"]["nearest_thumbnail"] == 1
    assert found["accuracy"]["majority_class"] == pytest.approx(2 / 3, abs=1e-6)


def test_a_series_wise_split_does_not():
    found = measured("ttttttvee")
    assert found["near_duplicates"]["share"] == 0
    assert found["near_duplicates"]["median_correlation"] == pytest.approx(np.cos(np.radians(59.5)), abs=0.01)
    assert found["identical_files"] == {"share": 0, "images": 0}
    # The third series is in test and validation, not in training.
    assert found["series"] == {"all": 3, "in_test": 1, "crossing": 0, "share_of_test_images_crossing": 0}
    assert found["accuracy"]["nearest_thumbnail"] == 1  # at 120° the series at 60° is nearest: class 1


def test_validation_images_are_not_looked_up():
    found = measured("vvtetttte")
    assert found["identical_files"]["images"] == 0
    assert measured("evttttttt")["identical_files"]["images"] == 0
    assert measured("ettvttttt")["identical_files"]["images"] == 1


def test_a_linear_model_learns_what_a_line_separates():
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 2, 200)
    thumbnails = generator.integers(0, 200, (200, 25, 25), np.uint8)
    thumbnails[:, :5] += (50 * codes[:, None, None]).astype(np.uint8)  # the top rows are brighter in class 1
    parts = np.array(["train"] * 120 + ["test"] * 80)
    found = leakage.measure(thumbnails, np.arange(200), np.arange(200), codes, parts, 0.9)
    assert found["accuracy"]["linear_model"] == 1
    assert found["near_duplicates"]["share"] == 0
    shuffled = leakage.measure(thumbnails, np.arange(200), np.arange(200), generator.permutation(codes), parts, 0.9)
    assert shuffled["accuracy"]["linear_model"] < 0.7


def test_closest_pairs_prefer_other_files():
    parts = np.array(["train", "test", "test", "train", "test", "train", "train", "train", "test"])
    pairs = leakage.closest_pairs(pictures(*ANGLES), HASHES, CODES, parts, 1)
    found = list(zip(pairs["test"], pairs["training"], strict=True))
    assert found[0] == (2, 0)
    assert found[1] in {(4, 3), (4, 5), (8, 7)}  # all one degree apart
    assert pairs["correlation"][1] == pytest.approx(np.cos(np.radians(1)), abs=1e-3)
    two = leakage.closest_pairs(pictures(*ANGLES), HASHES, CODES, parts, 2)
    assert two[["test", "training"]].values.tolist()[:2] == [[2, 0], [1, 0]]  # the same file last
