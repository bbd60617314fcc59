"""Both models on an external test set: numbers by hand, and against the comparison of the study's own test."""

import numpy as np
import pytest

from kidneyct.statistics import evaluation, external, paired

ABC = ["a", "b", "c"]


def sure(predicted, classes, probability=0.7):
    """Probabilities of which the predicted class has `probability`, the others equal parts of the rest."""
    rest = (1 - probability) / (classes - 1)
    return np.where(np.eye(classes)[predicted] == 1, probability, rest)


def measure(codes, candidate, control, series, classes):
    predicted = {"candidate": np.array(candidate), "control": np.array(control)}
    given = {role: sure(values, len(classes)) for role, values in predicted.items()}
    return external.measure(np.array(codes), predicted, given, np.array(series), classes, seed=0)


def test_numbers_by_hand():
    """Class c has no image: its recall is nothing, not 0, and macro F1 is over a and b."""
    found = measure([0, 0, 0, 1], [0, 0, 2, 1], [1, 1, 1, 1], [7, 7, 9, 9], ABC)
    candidate, control = found["models"]["candidate"], found["models"]["control"]
    assert (found["images"], found["series"], found["missing_classes"]) == (4, 2, ["c"])
    assert found["classes"] == {
        "a": {"images": 3, "series": 2},
        "b": {"images": 1, "series": 1},
        "c": {"images": 0, "series": 0},
    }
    assert (candidate["collapsed"], control["collapsed"]) == (False, True)
    # Series 7 has both images right, 9 one of two: a draw is (1 + 1) / 2, (1 + ½) / 2 or (½ + ½) / 2.
    assert candidate["accuracy"] == {"value": 0.75, "low": 0.5, "high": 1.0}
    assert control["accuracy"] == {"value": 0.25, "low": 0.0, "high": 0.5}
    assert found["gap"]["accuracy"] == {"value": 0.5, "low": 0.0, "high": 1.0}
    assert candidate["macro_f1"]["value"] == pytest.approx((2 * 2 / (3 + 2) + 1) / 2)  # F1 of a 0.8, of b 1
    assert control["macro_f1"]["value"] == pytest.approx((0 + 2 * 1 / (1 + 4)) / 2)
    assert candidate["recall"] == {"a": {"value": 0.666667, "low": 0.0, "high": 1.0}, "b": {"value": 1.0}, "c": None}
    # 0.7 sure and 0.75 right; a right image is (0.3² + 2 · 0.15²) from the truth, a wrong one 0.7² + 0.85² + 0.15².
    assert candidate["expected_calibration_error"]["value"] == pytest.approx(0.05)
    assert candidate["brier_score"]["value"] == pytest.approx((3 * 0.135 + 1.235) / 4)
    assert found["mcnemar"] == {"candidate_only": 2, "control_only": 0, "p": 0.5}
    alone = measure([0, 1, 1], [0, 1, 0], [0, 0, 0], [3, 3, 3], ["a", "b"])  # one series allows no interval
    assert alone["gap"]["accuracy"] == {"value": 0.333333}
    assert alone["models"]["candidate"]["brier_score"].keys() == {"value"}


def test_gaps_intervals_and_calibration_are_those_of_the_studys_own_test():
    generator = np.random.default_rng(0)
    codes, series = generator.integers(0, 3, 120), generator.integers(0, 15, 120)
    given = {role: generator.dirichlet(np.ones(3), 120) for role in ("candidate", "control")}
    predicted = {role: values.argmax(axis=1) for role, values in given.items()}
    found = external.measure(codes, predicted, given, series, ABC, seed=0, resamples=700)
    expected = paired.compare(codes, *predicted.values(), series, ABC, seed=0, resamples=700)
    cells = [(found["gap"][metric], expected[metric]) for metric in ("accuracy", "macro_f1")]
    cells += [(found["gap"]["recall"][label], expected["classes"][label]["recall"]) for label in ABC]
    for cell, other in cells:
        assert cell == {"value": other["gap"], "low": other["gap_low"], "high": other["gap_high"]}
    assert found["mcnemar"] == expected["mcnemar"]
    for role, values in given.items():
        for metric, value in evaluation.calibrate(codes, values).items():
            cell = found["models"][role][metric]
            assert cell["value"] == pytest.approx(value, abs=1e-6)
            assert cell["low"] < value < cell["high"] or metric == "expected_calibration_error"  # resamples err upwards


def test_lines_beside_the_studys_own_test():
    found = measure([0, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 2], ABC)
    classes = {label: {"recall": 0.25} for label in ABC}
    own = {"accuracy": 0.5, "macro_f1": 0.4, "expected_calibration_error": 0.1, "brier_score": 0.2, "classes": classes}
    lines = external.beside(found, {"candidate": own, "control": own})
    assert lines[1] == ("accuracy", "control", *found["models"]["control"]["accuracy"].values(), 0.5)
    assert ("recall of c", "candidate", None, None, None, 0.25) in lines
    assert ("recall of b", "control", 1.0, None, None, 0.25) in lines
    assert len(lines) == 2 * (2 + 3 + 2)
