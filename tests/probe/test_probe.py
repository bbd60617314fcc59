"""What a probe is said to be worth, by slice and by series."""

import itertools

import numpy as np
import pytest

from kidneyct.probe import logistic, probe

CLASSES = ["a", "b", "c"]


def test_blocks_are_vggs():
    columns = [np.arange(1472)[part].tolist() for part in probe.parts().values()]
    assert [*itertools.chain(*columns[:5])] == columns[5] == list(range(1472))
    assert [len(part) for part in columns] == [64, 128, 256, 512, 512, 1472]


def test_slices_and_series_by_hand():
    codes = np.array([0, 0, 1, 1, 1, 0])
    series = np.array([3, 3, 5, 5, 9, 7])
    probabilities = np.array(
        [[0.7, 0.3, 0], [0.4, 0.6, 0], [0.3, 0.7, 0], [0.9, 0.1, 0], [0.2, 0.8, 0], [0.35, 0.65, 0]]
    )
    found = probe.evaluate(probabilities, codes, series, CLASSES)
    # Right: rows 0, 2 and 4.
    assert found["accuracy"] == 0.5
    assert found["recall"] == {"a": pytest.approx(1 / 3, abs=1e-6), "b": pytest.approx(2 / 3, abs=1e-6)}
    assert found["balanced_accuracy"] == 0.5
    # a: 1 of 3 and of 2 predicted, F1 2/5; b: 2 of 3 and of 4 predicted, F1 4/7.
    assert found["macro_f1"] == pytest.approx((2 / 5 + 4 / 7) / 2, abs=1e-6)
    expected = -np.log([0.7, 0.4, 0.7, 0.1, 0.8, 0.35]).mean()
    assert found["log_loss"] == pytest.approx(expected, abs=1e-6)
    # Series 3: 0.55, right; 5: 0.6 for a, wrong; 7: 0.35, wrong; 9: 0.2, right. Of the four pairs of a (0.55, 0.35)
    # and b (0.6, 0.2) two are in order.
    assert found["series"] == {"count": 4, "accuracy": 0.5, "balanced_accuracy": 0.5, "macro_auroc": 0.5}
    single = probe.evaluate(np.array([[1.0, 0, 0]]), np.array([0]), np.array([4]), CLASSES)
    assert single["series"] == {"count": 1, "accuracy": 1, "balanced_accuracy": 1}  # one class has no AUROC


def test_a_probe_finds_the_block_that_knows_and_sees_no_test_row(monkeypatch):
    """Block 3 alone holds the class; test rows may be anything, what is fitted stays."""
    monkeypatch.setattr(logistic, "STRENGTHS", logistic.STRENGTHS[::4])  # in a quarter of the time
    generator = np.random.default_rng(0)
    series = np.repeat(np.arange(30), 4)
    codes = series % 3
    pooled = generator.normal(size=(120, 1472)).astype("float32")
    pooled[:, 192:222] += 3 * np.repeat(np.eye(3), 10, axis=1)[codes]
    train, test = np.flatnonzero(series < 21), np.flatnonzero(series >= 21)
    result, probabilities = probe.probe(pooled, codes, series, series, train, test, CLASSES, 8)
    assert result["block 3"]["accuracy"] > 0.9
    assert result["block 5"]["accuracy"] < 0.7
    assert result[probe.ALL]["series"]["macro_auroc"] > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    pooled[test] = generator.normal(size=(len(test), 1472))
    again, _ = probe.probe(pooled, codes, series, series, train, test, CLASSES, 8)
    assert again["block 3"]["strength"] == result["block 3"]["strength"]
