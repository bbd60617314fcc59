"""Calibration, worked out by hand and by an independent formula."""

import numpy as np
import pytest

from kidneyct.statistics import calibration


def test_four_images_by_hand():
    # Bins of a fifteenth: 0.62 and 0.65 share (0.6, 0.667], one of two right; 0.8 (wrong) lies in (0.733, 0.8], closed
    # above; 1 (right) in the last.
    probabilities = np.array([[0.62, 0.38, 0], [0.35, 0.65, 0], [0.8, 0.1, 0.1], [0, 0, 1]])
    table = calibration.reliability([0, 0, 1, 2], probabilities)
    assert table["low"].tolist() == pytest.approx([9 / 15, 11 / 15, 14 / 15])
    assert table["high"].tolist() == pytest.approx([10 / 15, 12 / 15, 1])
    assert table["confidence"].tolist() == pytest.approx([0.635, 0.8, 1])
    assert table["accuracy"].tolist() == [0.5, 0, 1]
    assert table["count"].tolist() == [2, 1, 1]
    result = calibration.calibrate([0, 0, 1, 2], probabilities)
    assert result["expected_calibration_error"] == pytest.approx((2 * 0.135 + 0.8 + 0) / 4, abs=1e-6)
    # Squared distances: 2 * 0.38², 2 * 0.65², 0.8² + 0.9² + 0.1², 0.
    assert result["brier_score"] == pytest.approx((0.2888 + 0.845 + 1.46) / 4, abs=1e-6)


def test_many_images_against_the_definitions():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(4, 0.5), 500)
    codes = generator.integers(0, 4, 500)
    brier = ((probabilities - np.eye(4)[codes]) ** 2).sum(axis=1).mean()
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == codes
    error = 0
    for number in range(1, 16):
        inside = (confidence > (number - 1) / 15) & (confidence <= number / 15)
        error += abs(np.sum(right[inside]) - np.sum(confidence[inside])) / 500
    result = calibration.calibrate(codes, probabilities)
    assert result["brier_score"] == pytest.approx(brier, abs=1e-6)
    assert result["expected_calibration_error"] == pytest.approx(error, abs=1e-6)
    # Probabilities of half precision sum to 1 only nearly; they are scaled to it.
    assert calibration.calibrate(codes, probabilities * 1.001) == result
