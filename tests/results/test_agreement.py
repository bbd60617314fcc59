"""Agreement of two models, worked out by hand."""

import numpy as np
import pytest

from kidneyct.statistics.agreement import agreement


def test_two_classes_by_hand():
    # The candidate says 1 five times, the control four times.
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    candidate = np.array([0, 0, 0, 1, 1, 1, 1, 1])  # 7 right
    control = np.array([0, 0, 1, 1, 1, 1, 0, 0])  # 4 right
    found = agreement(codes, candidate, control, 2)
    # 3/8 · 4/8 + 5/8 · 4/8 = 1/2; same for images 0, 1, 3, 4 and 5: 5/8; kappa (5/8 - 1/2) / (1/2).
    assert found["same_class"] == {"observed": 0.625, "expected": 0.5, "kappa": 0.25}
    # Both right in 0, 1, 4, 5, both wrong in 3: 5/8; 7/8 · 4/8 + 1/8 · 4/8 = 1/2.
    assert found["both_right_or_wrong"] == {"observed": 0.625, "expected": 0.5, "kappa": 0.25}


def test_independent_errors_agree_as_expected():
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 4, 40_000)
    models = [np.where(generator.random(40_000) < accuracy, codes, (codes + 1) % 4) for accuracy in (0.9, 0.6)]
    found = agreement(codes, *models, 4)["both_right_or_wrong"]
    assert found["expected"] == pytest.approx(0.9 * 0.6 + 0.1 * 0.4, abs=0.01)
    assert found["kappa"] == pytest.approx(0, abs=0.02)


def test_no_kappa_where_chance_leaves_no_room():
    same = np.zeros(4, int)
    assert agreement(same, same, same, 2)["same_class"] == {"observed": 1, "expected": 1}
