"""Labels that both models contradict: planted wrong ones are found, right ones are not."""

import json

import numpy as np
import pandas as pd
import pytest

from kidneyct.files import predictions
from kidneyct.statistics import suspects

CLASSES = ["a", "b", "c"]


def run(labels, candidate, control, nearest=None, series=None):
    """`suspects.suspects` of models given as a probability of each class for each image, (n, 3)."""
    table = pd.DataFrame({"image": [f"i{number}" for number in range(len(labels))], "label": list(labels)})
    given = {"candidate": candidate, "control": control}
    tables = {
        role: predictions.tabulate(table, np.arange(len(table)), CLASSES, np.asarray(values, float))
        for role, values in given.items()
    }
    nearest = np.array(list(nearest or labels))
    series = np.arange(len(labels)) if series is None else series
    return suspects.suspects(10 + np.arange(len(labels)), tables, nearest, series, CLASSES)


A, B, C = [0.9, 0.06, 0.04], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9]


def test_thresholds_are_the_mean_probability_of_a_label_by_its_images():
    found = suspects.thresholds(np.array([0, 0, 1]), np.array([A, B, B]))
    assert found.tolist() == [0.5, 0.8, np.inf]  # (0.9 + 0.1) / 2; no image is a c


def test_a_planted_wrong_label_is_found_and_right_ones_are_not():
    actual = [A, A, A, A, B, B, B, B, C, C, C, C]
    listed, worth = run("abaabbbbcccc", actual, actual, nearest="aaaabbbbcccc")
    assert listed[["row", "image", "label", "both_say", "nearest_training", "nearest_agrees"]].values.tolist() == [
        [11, "i1", "b", "a", "a", 1]
    ]
    assert listed[["candidate", "candidate_of_label", "control", "control_of_label"]].values.tolist() == [
        [0.9, 0.06, 0.9, 0.06]
    ]
    assert (worth["weak"], worth["listed"], worth["test_images"], worth["nearest_agrees"]) == ([], 1, 12, 1)
    # One of five images labelled b by either model: 5 · 1/5 · 1/5.
    assert worth["by_chance"] == 0.2
    assert worth["thresholds"]["candidate"] == {"a": 0.9, "b": 0.652, "c": 0.9}  # (4 · 0.8 + 0.06) / 5
    assert "label of 1 of 12 test images with confidence; 0.2 would be expected" in suspects.told(worth)


def test_both_models_must_say_the_same_with_confidence():
    right = [A, A, A, B, B, B, C, C, C]
    unsure = [0.45, 0.35, 0.2]  # below the threshold of a, which is 0.9
    for other in (B, C, unsure):
        listed, worth = run("aaabbbccc", [*right[:3], A, *right[4:]], [*right[:3], other, *right[4:]])
        assert (len(listed), worth["listed"]) == (0, 0)
        assert worth["contradicted"]["candidate"] == 1
    assert worth["contradicted"]["control"] == 0


def test_a_label_that_is_likely_too_is_no_suspect():
    """The other class is high and the answer, but the label is no less likely than it is over its images."""
    split = [0.5, 0.48, 0.02]
    images = [split] * 4 + [A, A] + [C] * 3
    listed, worth = run("bbbbaaccc", images, images)
    assert worth["thresholds"]["candidate"]["b"] == 0.48
    assert worth["contradicted"] == {"candidate": 0, "control": 0}
    assert len(listed) == 0


def test_the_most_confident_come_first_by_the_weaker_of_the_two():
    labels = "aaaabbbbcc"
    candidate = [A, A, [0.02, 0.97, 0.01], [0.01, 0.98, 0.01], B, B, B, B, C, C]
    control = [A, A, [0.05, 0.9, 0.05], [0.1, 0.85, 0.05], B, B, B, B, C, C]
    listed, _ = run(labels, candidate, control, series=[7, 7, 3, 3, 1, 1, 1, 1, 2, 2])
    assert listed["image"].tolist() == ["i2", "i3"]  # 0.9 before 0.85
    assert listed["series"].tolist() == [3, 3]
    assert listed["nearest_agrees"].tolist() == [0, 0]


@pytest.mark.parametrize("other", ["collapsed", "chance"])
def test_a_model_that_beats_no_constant_answer_lists_nothing(other):
    right = [A, A, A, A, B, B, C, C]
    wrong = {"collapsed": [A] * 8, "chance": [B, B, A, A, A, A, C, A]}[other]
    listed, worth = run("aaaabbcc", right, wrong)
    assert worth["weak"] == ["control"]
    assert worth["commonest_label"] == 0.5
    assert list(listed.columns) == list(suspects.COLUMNS)
    assert (len(listed), worth["listed"]) == (0, 0)
    line = "the control is right no more often than the commonest label (50.0 % of the test images)."
    assert suspects.told(worth) == f"No label is doubted: {line}"
    json.dumps(worth)
