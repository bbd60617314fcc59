"""Pooled and paired predictions, of the study and of an external test: by hand, and where the truth is known."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.stats import norm
from sklearn.metrics import accuracy_score, f1_score, recall_score

from kidneyct.statistics import bootstrap, evaluation, external, paired, pooled

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
    codes, candidate = np.random.default_rng(11).integers(0, 4, (2, 40))
    same = paired.compare(codes, candidate, candidate, np.arange(40) // 4, list("abcd"), seed=0)
    for metric in ("accuracy", "macro_f1"):
        assert set(same[metric].values()) == {0}
    assert same["mcnemar"] == {"candidate_only": 0, "control_only": 0, "p": 1}
    assert same["classes"]["a"]["mcnemar"]["p_holm"] == 1
    one = paired.compare(codes, candidate, candidate, np.full(40, 17), list("abcd"), seed=0)
    assert set(one["accuracy"]) == {"gap", "gap_low_imagewise", "gap_high_imagewise"}


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
    of_class = {"a": (3, 2), "b": (1, 1), "c": (0, 0)}
    assert {label: (of["images"], of["series"]) for label, of in found["classes"].items()} == of_class
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
