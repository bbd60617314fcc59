"""Pooled predictions: by hand on a small case, against scikit-learn, and on simulated series whose truth is known."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, recall_score

from kidneyct.statistics import pooled

ACTUAL = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
SERIES = np.array([5, 5, 9, 9, 1, 1, 1, 1, 2, 2])  # two series of class 0, two of class 1


def model(predicted):
    return pooled.counts(ACTUAL, np.array(predicted), SERIES, 2)


def test_metrics_are_scikit_learns():
    generator = np.random.default_rng(0)
    actual, predicted = generator.integers(0, 4, (2, 200))
    found = pooled.metrics(pooled.counts(actual, predicted, np.arange(200), 4).sum(axis=0))
    assert found[0] == pytest.approx(accuracy_score(actual, predicted))
    assert found[1] == pytest.approx(f1_score(actual, predicted, average="macro"))
    assert found[2:] == pytest.approx(recall_score(actual, predicted, average=None))


def test_accuracy_its_error_and_interval_by_hand():
    # Right: both of series 5, one of two of 9, three of four of 1, both of 2: 8 of 10.
    accuracy = pooled.estimate([model([0, 0, 0, 1, 1, 1, 1, 0, 1, 1])])[0]
    assert accuracy["value"] == 0.8
    # Without series 1, 2, 5 and 9: 5/6, 6/8, 6/8, 7/8; mean 0.802083, squared distances 0.000977 + 2 · 0.002713 +
    # 0.005317 = 0.011719; times 3/4 and the root: 0.09375. Series of 4, 2, 2 and 2 images: 28² / 304 free ones.
    without = np.array([5 / 6, 6 / 8, 6 / 8, 7 / 8])
    error = np.sqrt(3 / 4 * np.sum((without - without.mean()) ** 2))
    assert error == pytest.approx(0.09375, abs=1e-4)
    assert accuracy["error"] == pytest.approx(error, abs=1e-6)
    assert accuracy["freedom"] == pytest.approx(28**2 / 304, abs=1e-6)
    assert accuracy["low"] == pytest.approx(0.8 - stats.t.ppf(0.975, 28**2 / 304) * error, abs=1e-5)
    assert accuracy["high"] == 1  # 0.8 + 3.5 · 0.094 is more than all


def test_a_recall_knows_no_more_than_the_series_of_its_class():
    counts = np.zeros((7, 2, 2))
    counts[:3, 0] = [[1, 0], [1, 0], [0, 1]]  # three series of an image each
    counts[3:, 1] = [[1, 1], [0, 2], [0, 2], [0, 2]]  # four of two
    accuracy, _, *recalls = pooled.estimate([counts])
    assert [each["freedom"] for each in recalls] == [2, 3]  # of series of one size: all but one
    assert accuracy["freedom"] == pytest.approx(19**2 / 67, abs=1e-6)  # (3 + 4 · 2²)² / (3 + 4 · 2⁴)


def test_a_gap_is_paired():
    """Both err on the same images but one: the gap's error knows that, the two accuracies' errors don't."""
    better, worse = [0, 0, 0, 1, 1, 1, 1, 0, 1, 1], [0, 0, 0, 1, 1, 1, 1, 0, 1, 0]
    gap = pooled.estimate([model(better)], [model(worse)])[0]
    assert gap["value"] == pytest.approx(0.1)
    without = np.array([1 / 6, 0, 1 / 8, 1 / 8])  # without series 1, 2, 5 and 9
    assert gap["error"] == pytest.approx(np.sqrt(3 / 4 * np.sum((without - without.mean()) ** 2)), abs=1e-6)
    same = pooled.estimate([model(better)], [model(better)])[0]  # over 100 / 28 effective series
    reach = pytest.approx(1 - 0.025 ** (28 / 100), abs=1e-6)
    assert same == {"value": 0, "low": -same["high"], "high": reach}


def test_seeds_are_averaged_and_widen_the_interval():
    first, second = [0, 0, 0, 1, 1, 1, 1, 0, 1, 1], [0, 0, 1, 1, 1, 1, 1, 0, 0, 0]  # 8 and 5 right
    alone, both = (pooled.estimate(models)[0] for models in ([model(first)], [model(first), model(second)]))
    assert both["value"] == pytest.approx(0.65)
    without = np.array([(5 + 2) / 12, (6 + 5) / 16, (6 + 3) / 16, (7 + 5) / 16])
    series = 3 / 4 * np.sum((without - without.mean()) ** 2)
    seeds = (0.15**2 + 0.15**2) / 2  # variance of 0.8 and 0.5 with divisor 1, over two
    assert both["error"] == pytest.approx(np.sqrt(series + seeds), abs=1e-6)
    freedom = (series + seeds) ** 2 / (series**2 / (28**2 / 304) + seeds**2 / 1)  # Satterthwaite; two seeds
    assert both["freedom"] == pytest.approx(freedom, abs=1e-3)
    assert both["high"] - both["low"] > alone["high"] - alone["low"]


def test_what_a_single_series_decides_has_no_interval():
    found = pooled.estimate([pooled.counts([0, 0, 1], [0, 1, 1], [1, 2, 3], 2)])
    assert found[3] == {"value": 1.0}
    assert "low" in found[2]
    one = pooled.estimate([pooled.counts([0, 1], [0, 1], [4, 4], 2)])
    assert one[0] == {"value": 1.0}


def test_series_without_an_error_have_a_bound():
    # The rule of three: 71 series without an error would be seen in 5 % of cases at a share of errors of 4.1 %.
    assert pooled.bounds(1, 71) == {"low": pytest.approx(0.959, abs=5e-4), "high": 1}
    assert pooled.bounds(0, 71) == {"low": 0, "high": pytest.approx(0.041, abs=5e-4)}
    assert pooled.bounds(0.5, 71) == pooled.bounds(1, 1) == {}
    # Both series of class a are classified rightly, one image of class b is not.
    perfect = pooled.estimate([model([0, 0, 0, 0, 1, 1, 1, 0, 1, 1])])
    assert perfect[2] == {"value": 1, "low": pytest.approx(0.05**0.5, abs=1e-6), "high": 1}
    assert "error" in perfect[3]
    # All of ten images in series of 2, 2, 2 and 4, by three seeds.
    everything = pooled.estimate([model(ACTUAL)] * 3)[0]
    assert everything == {"value": 1, "low": pytest.approx(0.05 ** (28 / 100), abs=1e-6), "high": 1}
