"""One model, and two side by side, in numbers and in words: by hand."""

from math import log

import numpy as np
import pandas as pd
import pytest

from kidneyct.pipeline.errors import InputError
from kidneyct.statistics import comparison, evaluation, verdict


def history(kept, accuracies):
    epochs = range(1, len(accuracies) + 1)
    return pd.DataFrame({"epoch": epochs, "val_accuracy": accuracies, "kept": [int(epoch == kept) for epoch in epochs]})


CLASSES = ["a", "b"]
ACTUAL = list("aaaabbbb")


def side(predicted, accuracy, macro_f1):
    evaluation = {"accuracy": accuracy, "macro_f1": macro_f1, "expected_calibration_error": 0.25, "brier_score": 0.5}
    return evaluation, pd.DataFrame({"label": ACTUAL, "predicted": list(predicted)})


@pytest.fixture
def compared():
    """The candidate has all right but one b; the control says a for everything. Four series of two images."""
    sides = {"candidate": side("aaaabbba", 0.875, 0.873016), "control": side("aaaaaaaa", 0.5, 0.333333)}
    evaluations = {role: evaluation for role, (evaluation, _) in sides.items()}
    predictions = {role: table for role, (_, table) in sides.items()}
    # The fourth epoch is kept: 0.95 * 0.8 = 0.76 is first reached in the third.
    histories = {"candidate": history(4, [0.5, 0.7, 0.78, 0.8, 0.9]), "control": history(1, [0.5, 0.5])}
    series = [0, 0, 1, 1, 2, 2, 3, 3]
    return evaluations, comparison.compare(evaluations, predictions, histories, series, CLASSES)


def test_the_whole_comparison(compared):
    _, result = compared
    assert (result["images"], result["series"]) == (8, 4)
    accuracy = result["accuracy"]
    assert (accuracy["candidate"], accuracy["control"], accuracy["gap"]) == (0.875, 0.5, 0.375)
    assert accuracy["gap_low"] <= 0.375 <= accuracy["gap_high"]
    # F1 of a is 8 / 9 against 2 / 3, of b 6 / 7 against 0.
    assert result["macro_f1"]["gap"] == pytest.approx((8 / 9 + 6 / 7) / 2 - 1 / 3, abs=1e-6)
    assert result["brier_score"] == {"candidate": 0.5, "control": 0.5, "gap": 0}
    assert result["mcnemar"] == {"candidate_only": 3, "control_only": 0, "p": 0.25}  # 2 · (1/2)³
    assert result["epochs_to_95_percent"] == {"candidate": 3}  # the control knows one class only
    assert result["classes"]["b"]["recall"]["gap"] == 0.75


PROBES = {
    role: {"all blocks": {"accuracy": accuracy, "series": {"count": 4, "macro_auroc": 0.5 + accuracy / 2}}}
    for role, accuracy in {"candidate": 0.9, "control": 0.6}.items()
}
ONE_CLASS = PROBES | {"control": {"all blocks": {"series": {"count": 1}}}}
LEAKAGE = {
    "near_duplicates": {"share": 0.5, "median_correlation": 0.9},
    "accuracy": {"majority_class": 0.5, "nearest_thumbnail": 1.0, "linear_model": 0.75, "acquisition": 0.625},
}


def test_the_headline_is_what_a_run_comes_to(compared):
    evaluations, result = compared
    low, high = (result["accuracy"][f"gap_{end}"] for end in ("low", "high"))
    assert comparison.headline(evaluations, PROBES, result, LEAKAGE) == {
        "candidate": {"accuracy": 0.875, "macro_f1": 0.873016, "probe_macro_auroc": 0.95},
        "control": {"accuracy": 0.5, "macro_f1": 0.333333, "probe_macro_auroc": 0.8},
        "gap": {"accuracy": 0.375, "low": low, "high": high},
        "leak": {"near_duplicates": 0.5},
        "without_network": {"nearest_thumbnail": 1.0, "acquisition": 0.625},
    }
    accuracy = {name: result["accuracy"][name] for name in ("candidate", "control", "gap")}
    shorter = comparison.headline(evaluations, ONE_CLASS, result | {"accuracy": accuracy}, LEAKAGE)
    assert (shorter["gap"], "probe_macro_auroc" in shorter["control"]) == ({"accuracy": 0.375}, False)
    assert comparison.probes(PROBES) == {"probe": {"macro_auroc": {"candidate": 0.95, "control": 0.8, "gap": 0.15}}}
    assert comparison.probes(ONE_CLASS) == {}


ACQUISITION = "a linear model of mean grey, its deviation and the border (70.0 %)"


def told(candidate, control, nearest, acquisition=0.4, probe=None, **interval):
    accuracy = {"candidate": candidate, "control": control, "gap": candidate - control} | interval
    comparison = {"accuracy": accuracy, "series": 7}
    if probe is not None:
        comparison["probe"] = {"macro_auroc": {"candidate": probe, "control": 0.8, "gap": probe - 0.8}}
    return verdict.verdict(comparison, {"nearest_thumbnail": nearest, "acquisition": acquisition})


def test_the_verdict_on_a_gap_and_its_interval():
    assert told(0.7, 0.65, 0.5, gap_low=-0.02, gap_high=0.12, probe=0.865) == (
        "The candidate is 5.0 points above the control in test accuracy (95 % interval over 7 series -2.0 to +12.0): "
        "the interval holds zero, so no difference is shown. The candidate is 20.0 points above and the control 15.0 "
        "points above a nearest-thumbnail look-up (50.0 %). By a linear probe on all blocks the candidate's features "
        "are 6.5 points above the control's before any training (macro AUROC of series 0.865 against 0.800)."
    )
    sentence = "(95 % interval over 7 series +10.0 to +50.0): the interval leaves out zero."
    assert sentence in told(0.9, 0.6, 0.5, gap_low=0.1, gap_high=0.5)
    few = {"accuracy": {"candidate": 1, "control": 0, "gap": 1, "gap_low": 1, "gap_high": 1}, "series": 2}
    without = {"nearest_thumbnail": 0, "acquisition": 0}
    assert "in test accuracy; 2 series of test images are too few for a fair interval." in verdict.verdict(few, without)
    gaps = [0.271, -0.05, 0.0, 0.0004, -0.0004, -0.0]
    assert [verdict.signed(gap) for gap in gaps] == ["+27.1", "-5.0", "+0.0", "+0.04", "-0.04", "+0.0"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0.7, 0.8, 0.5), "The candidate is 10.0 points below the control in test accuracy; 7 series of test images"),
        ((0.8, 0.8, 0.5), "The candidate's test accuracy equals the control's; 7 series"),
        ((1.0, 0.99, 1.0), "Neither model beats a nearest-thumbnail look-up (100.0 %): the candidate is level with"),
        ((0.71, 0.7, 0.5, 0.7), f"The control is level with {ACQUISITION}: this accuracy says nothing about the dise"),
        ((0.7, 0.6, 0.5, 0.4, 0.8), "features are level with the control's before any training"),
    ],
)
def test_other_verdicts(arguments, sentence):
    assert sentence in told(*arguments)


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
