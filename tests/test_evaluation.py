"""Metrics, worked out by hand."""

from math import log

import numpy as np
import pandas as pd
import pytest

from kidneyct.results import comparison, evaluation


def test_three_classes_by_hand():
    # Predicted a, a, b, a for actual a, a, b, c.
    codes = np.array([0, 0, 1, 2])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [0.2, 0.6, 0.2], [0.7, 0.1, 0.2]])
    result = evaluation.evaluate(codes, probabilities, ["a", "b", "c"])
    assert result["loss"] == pytest.approx(-(log(0.8) + log(0.5) + log(0.6) + log(0.2)) / 4, abs=1e-6)
    assert result["accuracy"] == 0.75
    assert result["balanced_accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert result["a"] == {"precision": 0.666667, "recall": 1.0, "f1": 0.8, "support": 2}
    assert result["b"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert result["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert result["macro_f1"] == pytest.approx(1.8 / 3, abs=1e-6)
    # a: 3 of 4 pairs in order (0.5 < 0.7); b: all 3; c: 0.2 beats 0.1, loses to 0.25, ties with 0.2.
    assert result["macro_auroc"] == pytest.approx((3 / 4 + 1 + 1.5 / 3) / 3, abs=1e-6)


def test_comparison_and_confusion():
    result = comparison.compare({"accuracy": 0.9, "macro_f1": 0.8}, {"accuracy": 0.6, "macro_f1": 0.85})
    assert result["accuracy"] == {"candidate": 0.9, "control": 0.6, "gap": 0.3}
    assert result["macro_f1"]["gap"] == -0.05
    predictions = pd.DataFrame({"label": list("aab"), "predicted": list("abb")})
    assert comparison.confusion(predictions, ["a", "b", "c"]).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
