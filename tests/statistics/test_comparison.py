"""The two models side by side, in numbers."""

import pandas as pd
import pytest

from kidneyct.statistics import comparison


def history(kept, accuracies):
    epochs = range(1, len(accuracies) + 1)
    return pd.DataFrame({"epoch": epochs, "val_accuracy": accuracies, "kept": [int(epoch == kept) for epoch in epochs]})


def test_epochs_to_a_share_of_the_kept_accuracy():
    # The fourth epoch is kept: 0.95 * 0.8 = 0.76 is first reached in the third.
    rows = history(4, [0.5, 0.7, 0.78, 0.8, 0.9])
    assert comparison.epochs_to_share(rows, 0.95) == 3
    assert comparison.epochs_to_share(rows, 1) == 4
    assert comparison.epochs_to_share(history(1, [0.2, 0.3]), 1) == 1


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
    histories = {"candidate": history(2, [0.25, 0.75]), "control": history(1, [0.5, 0.5])}
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
    assert result["epochs_to_95_percent"] == {"candidate": 2}  # the control knows one class only
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


def test_probes_are_set_side_by_side():
    assert comparison.probes(PROBES) == {"probe": {"macro_auroc": {"candidate": 0.95, "control": 0.8, "gap": 0.15}}}
    assert comparison.probes(ONE_CLASS) == {}
