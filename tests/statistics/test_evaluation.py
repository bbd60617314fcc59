"""Metrics and calibration, worked out by hand and by an independent formula."""

from math import log

import numpy as np
import pytest

from kidneyct.pipeline.errors import InputError
from kidneyct.statistics import evaluation


def test_three_classes_by_hand():
    # Predicted a, a, b, a for actual a, a, b, c.
    codes = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [0.2, 0.6, 0.2], [0.7, 0.1, 0.2]])
    result = evaluation.evaluate(codes, probabilities, ["a", "b", "c"])
    assert result["loss"] == pytest.approx(-(log(0.8) + log(0.5) + log(0.6) + log(0.2)) / 4, abs=1e-6)
    assert result["accuracy"] == 0.75
    assert result["balanced_accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert result["classes"]["a"] == {"precision": 0.666667, "recall": 1.0, "f1": 0.8, "support": 2}
    assert result["classes"]["b"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert result["classes"]["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert result["macro_f1"] == pytest.approx(1.8 / 3, abs=1e-6)
    # a: 3 of 4 pairs in order (0.5 < 0.7); b: all 3; c: 0.2 beats 0.1, loses to 0.25, ties with 0.2.
    assert result["macro_auroc"] == pytest.approx((3 / 4 + 1 + 1.5 / 3) / 3, abs=1e-6)


def test_the_weakest_class_and_a_collapse_whatever_classes_are_called():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    found = evaluation.evaluate(np.array([0, 0, 1, 1]), probabilities, ["loss", "accuracy"])
    assert (found["weakest_class"], found["accuracy"], found["collapsed"]) == ("accuracy", 0.75, False)  # by F1
    assert found["classes"]["loss"]["support"] == 2
    assert evaluation.evaluate(np.array([0, 1]), probabilities[:2], ["a", "b"])["collapsed"]


@pytest.mark.parametrize(("accuracy", "untrained"), [(0.3, True), (0.639, True), (0.641, False), (1, False)])
def test_a_model_near_the_largest_classs_share_of_its_own_training_images_is_untrained(accuracy, untrained):
    # Three of five are of one class, and a tenth of the rest is 0.04.
    found = evaluation.learning(accuracy, np.array([0, 1, 1, 1, 2]))
    assert found == {"training_accuracy": accuracy, "untrained": untrained}


@pytest.mark.parametrize(
    ("codes", "share", "line"),
    [
        ([0, 1, 1], np.nan, r"no probabilities for 1 of 3 images: .* lower train\.learning_rate"),
        ([0, 0, 0], 0.4, r"expected test images of every class, found none of b; run dvc repro split"),
    ],
)
def test_what_is_no_result_is_one_line(codes, share, line):
    with pytest.raises(InputError, match=line):
        evaluation.evaluate(np.array(codes), np.array([[0.9, 0.1], [share, 0.6], [0.2, 0.8]]), ["a", "b"])


def test_calibration_of_four_images_by_hand():
    # Bins of a fifteenth: 0.62 and 0.65 share (0.6, 0.667], one of two right; 0.8 (wrong) lies in (0.733, 0.8], closed
    # above; 1 (right) in the last.
    probabilities = np.array([[0.62, 0.38, 0], [0.35, 0.65, 0], [0.8, 0.1, 0.1], [0, 0, 1]])
    table = evaluation.reliability([0, 0, 1, 2], probabilities)
    assert table["low"].tolist() == pytest.approx([9 / 15, 11 / 15, 14 / 15])
    assert table["high"].tolist() == pytest.approx([10 / 15, 12 / 15, 1])
    assert table["confidence"].tolist() == pytest.approx([0.635, 0.8, 1])
    assert table["accuracy"].tolist() == [0.5, 0, 1]
    assert table["count"].tolist() == [2, 1, 1]
    result = evaluation.calibrate([0, 0, 1, 2], probabilities)
    assert result["expected_calibration_error"] == pytest.approx((2 * 0.135 + 0.8 + 0) / 4, abs=1e-6)
    # Squared distances: 2 * 0.38², 2 * 0.65², 0.8² + 0.9² + 0.1², 0.
    assert result["brier_score"] == pytest.approx((0.2888 + 0.845 + 1.46) / 4, abs=1e-6)
    assert evaluation.calibrate([0, 0, 1, 2], probabilities * 1.001) == result  # half precision's sum to 1 only nearly
