"""Probes' metrics by series and their intervals: by hand on small cases, and against scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_sample_weight

from kidneyct.experiments import probing


def certain(predicted, classes=2):
    """A table of probabilities (g, k), 0.8 for the predicted class."""
    rest = 0.2 / (classes - 1)
    return np.where(np.eye(classes, dtype=bool)[predicted], 0.8, rest)


def reference(table, codes):
    """What scikit-learn makes of one table (g, k)."""
    return {
        "macro_auroc": roc_auc_score(codes, table, multi_class="ovr", average="macro"),
        "balanced_accuracy": balanced_accuracy_score(codes, table.argmax(axis=1)),
        "accuracy": accuracy_score(codes, table.argmax(axis=1)),
        "log_loss": log_loss(codes, table, sample_weight=compute_sample_weight("balanced", codes)),
    }


def test_metrics_are_scikit_learns_with_all_series_and_without_each():
    generator = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2, 3], [9, 3, 7, 4])
    tables = generator.integers(1, 6, (1, 2, 23, 4)) + 3.0 * np.eye(4)[codes] * generator.random((1, 2, 23, 1)).round()
    tables /= tables.sum(axis=-1, keepdims=True)  # with many ties
    values, without = probing.measured(tables, codes)
    for metric in probing.METRICS:
        assert values[metric].shape == (1, 2)
        assert without[metric].shape == (1, 2, 23)
    for draw, cut in np.ndindex(1, 2):
        table = tables[draw, cut]
        for metric, value in reference(table, codes).items():
            assert values[metric][draw, cut] == pytest.approx(value, abs=1e-12)
        for series in range(23):
            left = reference(np.delete(table, series, axis=0), np.delete(codes, series))
            for metric, value in left.items():
                assert without[metric][draw, cut, series] == pytest.approx(value, abs=1e-12)


def test_an_estimate_and_its_parts_by_hand():
    codes = np.array([0, 0, 1, 1])
    model = np.stack([certain([0, 0, 1, 0]), certain([0, 0, 0, 0])])[None]  # two cuts: three and two of four right
    accuracy = probing.estimate(model, codes)["accuracy"]
    assert accuracy["value"] == 0.625
    # By series 1, 1, 0.5 and 0 are right; squared distances from 0.625: 0.6875; over 3 and 4: the jackknife of a mean.
    series, cuts = 0.6875 / 12, 0.125**2 * 2 / 2  # of 0.75 and 0.5, divisor 1, over two
    parts = {"series": series**0.5, "training": (series / 2) ** 0.5, "cuts": cuts**0.5}
    assert accuracy["parts"] == pytest.approx(parts, abs=1e-6)
    variance = 1.5 * series + cuts
    assert accuracy["error"] == pytest.approx(variance**0.5, abs=1e-6)
    # Class 0 says the same twice; all that varies by series is between the two of class 1: one degree of freedom.
    freedom = variance**2 / ((1.5 * series) ** 2 / 1 + cuts**2 / 1)
    assert accuracy["freedom"] == pytest.approx(freedom, abs=1e-6)
    reach = stats.t.ppf(0.975, freedom) * variance**0.5 / (0.625 * 0.375)
    odds = 0.625 / 0.375 * np.exp([-reach, reach])
    assert [accuracy["low"], accuracy["high"]] == pytest.approx(odds / (1 + odds), abs=1e-6)


def test_a_gap_is_paired_by_series_and_cut_and_holds_the_draws():
    codes = np.array([0, 0, 0, 1, 1, 1])
    model = certain([0, 0, 0, 1, 1, 0])[None, None]
    drawn = np.stack([certain([0, 0, 1, 1, 1, 0]), certain([0, 1, 1, 1, 1, 0])])[:, None]  # four and three of six
    gap = probing.estimate(model, codes, drawn)["accuracy"]
    # Right by series, less the mean of the draws: 0, 1/2, 1, 0, 0, 0.
    distances = np.array([0, 0.5, 1, 0, 0, 0]) - 0.25
    series, draws = (distances**2).sum() / 5 / 6, (1 / 12) ** 2 * 2 / 2  # of 4/6 and 3/6
    assert gap["value"] == 0.25
    parts = {"series": series**0.5, "training": (series / 2) ** 0.5, "draws": draws**0.5}
    assert gap["parts"] == pytest.approx(parts, abs=1e-6)
    variance = 1.5 * series + draws
    freedom = variance**2 / ((1.5 * series) ** 2 / 2 + draws**2 / 1)  # it varies in class 0 alone, of three series
    assert gap["freedom"] == pytest.approx(freedom, abs=1e-5)
    reach = stats.t.ppf(0.975, freedom) * variance**0.5
    assert [gap["low"], gap["high"]] == pytest.approx([0.25 - reach, 0.25 + reach], abs=1e-5)
    both = probing.estimate(drawn, codes, drawn[:, :, :, ::-1])["accuracy"]["parts"]["draws"]
    assert both == pytest.approx((2 * draws) ** 0.5, abs=1e-6)  # each side's, as they were drawn apart


def test_a_loss_is_never_below_zero():
    codes = np.repeat([0, 1], 5)
    loss = probing.estimate(certain([0, 0, 0, 0, 0, 1, 1, 1, 1, 0])[None, None], codes)["log_loss"]
    value = -(9 * np.log(0.8) + np.log(0.2)) / 10
    assert loss["value"] == pytest.approx(value, abs=1e-6)
    assert loss["freedom"] == pytest.approx(4, abs=1e-6)  # class 0 says the same five times
    reach = stats.t.ppf(0.975, 4) * loss["error"] / value
    assert [loss["low"], loss["high"]] == pytest.approx(value * np.exp([-reach, reach]), rel=1e-4)
    assert loss["low"] > 0 > value - reach * value  # Student's interval would reach below


def test_without_errors_there_is_a_bound():
    codes = np.repeat([0, 1, 2, 3], [25, 20, 15, 11])
    perfect = certain(codes, 4)[None, None]
    found = probing.estimate(perfect, codes)
    assert found["accuracy"] == {"value": 1, "low": pytest.approx(0.958684, abs=1e-6), "high": 1}  # 0.05 ** (1 / 71)
    of_smallest = {"value": 1, "low": pytest.approx(0.05 ** (1 / 44), abs=1e-6), "high": 1}
    assert found["macro_auroc"] == found["balanced_accuracy"] == of_smallest
    assert found["log_loss"] == {"value": pytest.approx(-np.log(0.8), abs=1e-6)}
    gap = probing.estimate(perfect, codes, perfect)["accuracy"]
    reach = pytest.approx(1 - 0.025 ** (1 / 71), abs=1e-6)
    assert gap == {"value": 0, "low": -gap["high"], "high": reach}


def test_p_values_of_a_family_by_hand():
    gaps = {
        "a": {"value": 0.04, "error": 0.02, "freedom": 10.0},
        "b": {"value": -0.01, "error": 0.02, "freedom": 10.0},
        "c": {"value": 0.0, "low": -0.1, "high": 0.1},
    }
    found = probing.family(gaps, margin=0.05)
    two, half = 2 * stats.t.sf(2, 10), 2 * stats.t.sf(0.5, 10)
    added = {"p": two, "p_holm": 2 * two, "p_equivalent": stats.t.sf(0.5, 10)}
    assert found["a"] == pytest.approx(gaps["a"] | added, abs=1e-6)
    # -0.01 lies two errors above -0.05, and three below 0.05: the nearer margin decides.
    added = {"p": half, "p_holm": half, "p_equivalent": stats.t.sf(2, 10)}
    assert found["b"] == pytest.approx(gaps["b"] | added, abs=1e-6)
    assert found["c"] == gaps["c"]
    assert "p_equivalent" not in probing.family(gaps)["a"]
