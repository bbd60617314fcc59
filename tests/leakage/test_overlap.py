"""What an external test set shares with the study, on thumbnails whose correlations are known."""

import numpy as np
import pandas as pd
import pytest
from thumbnails import pictures

from kidneyct.leakage import ood_score, overlap

CLASSES = ["Cyst", "Stone"]


def table(images, hashes):
    lines = {"image": images, "label": [image.split("/")[0] for image in images], "sha256": list(hashes)}
    return pd.DataFrame(lines).assign(width=200, height=200)


@pytest.fixture
def found():
    """Angles in degrees: 5 apart is a correlation of 0.9962, 10 of 0.9848, 30 of 0.8660."""
    study = table(["Cyst/1", "Cyst/2", "Stone/3", "Stone/4", "Stone/5"], "abcde")
    study["split"] = ["train", "train", "train", "test", "unused"]
    external = table(["Cyst/0", "Cyst/1", "Stone/2", "Cyst/3", "Stone/4"], "vewxy")
    thumbnails = pictures(5, 200, 80, 150, 300)
    own, series = pictures(0, 30, 60, 155, 205), np.arange(5)
    return overlap.find(external, thumbnails, study, own, series, CLASSES, 0.99, series, 8)


def test_near_duplicates_are_named_and_likeness_is_to_training_images_alone(found):
    expected = {
        "near_duplicate": ["training", "study", "none", "study", "none"],
        "study": ["Cyst/1", "Stone/5", "Stone/3", "Stone/4", "Cyst/1"],
        "study_split": ["train", "unused", "train", "test", "train"],
        "same_file": [0, 1, 0, 0, 0],
        "training": ["Cyst/1", "Stone/3", "Stone/3", "Stone/3", "Cyst/1"],
        "unlike": [0, 1, 0, 1, 1],  # each training image is 30 degrees from another series
        "majority_class": ["Cyst"] * 5,
        "nearest_thumbnail": ["Cyst", "Stone", "Stone", "Stone", "Cyst"],
    }
    assert found[list(expected)].to_dict("list") == expected
    for name, angles in (("correlation", (5, 0, 20, 5, 60)), ("likeness", (5, 140, 20, 90, 60))):
        assert found[name].to_numpy() == pytest.approx(np.cos(np.radians(angles)), abs=1e-3)
    assert set(found[["linear_model", "acquisition", "acquisition_size"]].to_numpy().ravel()) <= set(CLASSES)


def test_the_summary_counts(found):
    series = np.array([0, 1, 1, 2, 3])
    summary = overlap.summary(found, series)
    counts = {"training": 1, "study": 3, "share": 0.6, "series": 3, "same_file": 1, "another_class": 2}
    assert summary["near_duplicates"] == counts
    assert summary["likeness"] | {"median": 0} == {"median": 0, "alike": 0.4, "unlike_images": 3}
    assert summary["accuracy"]["majority_class"] == 0.6
    assert summary["accuracy"]["nearest_thumbnail"] == 0.4
    assert overlap.apart(found, series).tolist() == [False, False, False, False, True]


def test_the_same_file_is_named_even_where_its_thumbnail_is_blank():
    study = table(["Cyst/1", "Stone/2", "Stone/3"], "abb").assign(split=["train", "test", "train"])
    external, blank = table(["Cyst/9"], "b"), np.zeros((1, 25, 25), "uint8")
    series = np.array([0, 1, 1])
    found = overlap.find(external, blank, study, np.tile(blank, (3, 1, 1)), series, CLASSES, 0.99, series, 8)
    line = found.iloc[0]
    assert (line["study"], line["study_split"], line["same_file"]) == ("Stone/3", "train", 1)
    assert (line["near_duplicate"], line["correlation"], line["study_label"]) == ("training", 1, "Stone")


def test_the_threshold_of_likeness_compares_each_series_with_the_others():
    """Three images by hand: 0 and 1 share a picture across series, 2 is another series' negative of it."""
    picture = np.arange(625, dtype="uint8").reshape(25, 25) % 200
    training = np.stack([picture, picture, 255 - picture])
    assert ood_score.threshold(training, np.array([0, 1, 2])) == pytest.approx(-1 + 2 * 0.02, abs=1e-5)
    assert ood_score.threshold(training, np.array([4, 4, 4])) == -1
    training, numbers = pictures(0, 1, 40, 41, 80, 81), np.repeat(range(3), 2)
    assert ood_score.threshold(training, numbers) == pytest.approx(np.cos(np.radians(40)), abs=1e-3)  # 0 and 81
    assert ood_score.likeness(pictures(2, 182), training) == pytest.approx(np.cos(np.radians([1, 101])), abs=1e-3)
