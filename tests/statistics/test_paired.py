"""Paired statistics on data whose answer is known, on the study's own test and on an external one."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from kidneyct.statistics import bootstrap, evaluation, external, paired

AB = ["a", "b"]


def test_mcnemar_of_each_class_with_holm():
    # Only the candidate right: 6 of class a, 3 of b, 1 of c, p = 2 / 2**n; Holm: 3 * 1/32, 2 * 1/4, 1.
    codes = np.array([0] * 6 + [1] * 3 + [2])
    control = (codes + 1) % 3
    result = paired.compare(codes, codes, control, np.arange(10), ["a", "b", "c"], seed=0)
    assert (result["images"], result["series"], result["accuracy"]["gap"]) == (10, 10, 1)
    assert result["mcnemar"] == {"candidate_only": 10, "control_only": 0, "p": pytest.approx(2 / 2**10, abs=1e-6)}
    assert [result["classes"][name]["mcnemar"]["p"] for name in "abc"] == [0.03125, 0.25, 1]
    assert [result["classes"][name]["mcnemar"]["p_holm"] for name in "abc"] == [0.09375, 0.5, 1]
    bounds = ("gap", "gap_low", "gap_high", "gap_low_imagewise", "gap_high_imagewise")
    assert result["classes"]["a"]["recall"] == dict.fromkeys(bounds, 1)
    assert (result["classes"]["b"]["images"], result["classes"]["b"]["series"]) == (3, 3)
    assert "gap_low" not in result["classes"]["c"]["recall"]
    right = np.arange(10) < 8  # two-sided binomial: 2 * (1 + 10 + 45) / 1024
    assert paired.discordance(right, ~right) == {"candidate_only": 8, "control_only": 2, "p": pytest.approx(0.109375)}


def test_a_draw_without_a_class_leaves_it_out():
    # The draw of two classes holds two images of a: candidate right once, control never; F1 2/3 against 0.
    drawn = np.zeros((2, 2, 2))
    drawn[0, 0, 1] = drawn[0, 1, 1] = 1
    accuracy, macro_f1, *recalls = paired.gaps(drawn)
    assert (accuracy, macro_f1, recalls[0]) == (0.5, pytest.approx(2 / 3), 0.5)
    assert np.isnan(recalls[1])


def test_intervals_are_the_analytic_ones():
    # The gap is a mean of differences of -1, 0 and 1: over 300 series normal, with their deviation over the root of n;
    # sixteen identical copies of each slice leave that as it is and make the image-wise interval four times narrower.
    generator = np.random.default_rng(5)
    candidate, control = generator.random((2, 300)) < [[0.8], [0.6]]
    difference = candidate.astype(int) - control
    half = norm.ppf(0.975) * difference.std() / np.sqrt(300)
    for copies in (1, 16):
        wrong = [np.repeat(~right, copies).astype(int) for right in (candidate, control)]  # class b instead of a
        series = np.repeat(np.arange(300), copies)
        accuracy = paired.compare(0 * series, *wrong, series, AB, seed=2, resamples=20_000)["accuracy"]
        expected = difference.mean() + np.array([-half, half])
        assert [accuracy["gap_low"], accuracy["gap_high"]] == pytest.approx(expected, abs=0.05 * half)
        expected = difference.mean() + np.array([-half, half]) / np.sqrt(copies)
        found = [accuracy["gap_low_imagewise"], accuracy["gap_high_imagewise"]]
        assert found == pytest.approx(expected, abs=0.05 * half)


@pytest.mark.filterwarnings("error")
def test_plain_answers_where_nothing_varies():
    codes, candidate, control = np.random.default_rng(11).integers(0, 4, (3, 40))
    same = paired.compare(codes, candidate, candidate, np.arange(40) // 4, list("abcd"), seed=0)
    for metric in ("accuracy", "macro_f1"):
        assert set(same[metric].values()) == {0}
    assert same["mcnemar"] == {"candidate_only": 0, "control_only": 0, "p": 1}
    assert same["classes"]["a"]["mcnemar"]["p_holm"] == 1

    one = paired.compare(codes, candidate, control, np.full(40, 17), list("abcd"), seed=0)
    assert one["series"] == 1
    imagewise = {"gap", "gap_low_imagewise", "gap_high_imagewise"}
    assert set(one["accuracy"]) == set(one["classes"]["a"]["recall"]) == imagewise


def test_agreement_by_hand():
    # The candidate says 1 five times, the control four times.
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    candidate = np.array([0, 0, 0, 1, 1, 1, 1, 1])  # 7 right
    control = np.array([0, 0, 1, 1, 1, 1, 0, 0])  # 4 right
    found = paired.agreement(codes, candidate, control, 2)
    # 3/8 · 4/8 + 5/8 · 4/8 = 1/2; same for images 0, 1, 3, 4 and 5: 5/8; kappa (5/8 - 1/2) / (1/2).
    assert found["same_class"] == {"observed": 0.625, "expected": 0.5, "kappa": 0.25}
    # Both right in 0, 1, 4, 5, both wrong in 3: 5/8; 7/8 · 4/8 + 1/8 · 4/8 = 1/2.
    assert found["both_right_or_wrong"] == {"observed": 0.625, "expected": 0.5, "kappa": 0.25}
    same = np.zeros(4, int)
    assert paired.agreement(same, same, same, 2)["same_class"] == {"observed": 1, "expected": 1}  # no room for kappa


def test_the_coverage_that_pages_state_is_the_simulations():
    rows = json.loads(Path("benchmarks/results/intervals-pooled.json").read_text())["rows"]
    held = {row["series"]: row["held, percentile bootstrap"] for row in rows}
    assert {series: held[series] for series in bootstrap.COVERAGE} == bootstrap.COVERAGE
    assert bootstrap.coverage() == "82 % with 6 series, 89 % with 20 series"
    assert max(share for series, share in held.items() if series < bootstrap.FEW) < 0.9 < held[bootstrap.FEW]


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
