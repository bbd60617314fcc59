"""A study's arms, pooled over folds and seeds, on tables made by hand."""

import pandas as pd
import pytest
from outcomes import CLASSES, outcome
from outcomes import summary as summarise

from kidneyct.experiments import arms
from kidneyct.files import index


@pytest.fixture(scope="module")
def summary():
    return summarise()


def accuracies(models):
    return {name: values["accuracy"]["value"] for name, values in models.items()}


def test_every_arm_by_itself_against_the_control_the_others_and_the_baselines(summary):
    assert (summary["images"], summary["series"], summary["seeds"]) == (8, 4, 1)
    assert accuracies(summary["arms"]) == {"imagenet": 1, "stats": 0.875, "none": 0.5}
    assert accuracies(summary["controls"]) == {"control": 0.75}
    gaps = {arm: values["against_control"] for arm, values in summary["arms"].items()}
    assert accuracies(gaps) == {"imagenet": 0.25, "stats": 0.125, "none": -0.25}
    assert accuracies(summary["pairs"]) == {"imagenet - stats": 0.125, "imagenet - none": 0.5, "stats - none": 0.375}
    assert summary["arms"]["stats"]["recall"]["b"]["value"] == 0.75
    assert gaps["imagenet"]["recall"]["a"]["value"] == 0.5
    ordered = sorted((values["accuracy"] for values in gaps.values()), key=lambda gap: gap["p"])
    assert ordered[0]["p_holm"] == pytest.approx(min(1, 3 * ordered[0]["p"]), abs=1e-5)  # tested together
    pooled = dict(zip(index.BASELINES, (0.5, 1, 0.625, 0.5, 0.5), strict=True))
    assert accuracies(summary["baselines"]) == pooled
    gaps = {baseline: 0.875 - value for baseline, value in pooled.items()}
    assert accuracies(summary["arms"]["stats"]["against_baselines"]) == gaps
    assert accuracies(summary["controls"]["control"]["against_baselines"])["linear_model"] == 0.125


def test_how_arms_were_trained(summary):
    none, stats, control = summary["arms"]["none"], summary["arms"]["stats"], summary["controls"]["control"]
    found = [[model[word] for word in ("runs", "collapsed", "unstopped")] for model in (none, stats, control)]
    assert found == [[2, 2, 0], [2, 0, 2], [2, 0, 0]]
    assert (stats["training_accuracy"], stats["untrained"]) == (0.65, 1)  # of 0.9 and 0.4
    assert stats["learning_rates"] == {"0.001": 1, "0.01": 1}
    assert control["learning_rates"] == {"0.1": 2}
    assert control["rate_at_edge"] == {"lowest": 0, "highest": 2}


def test_controls_are_told_apart_and_an_arm_of_other_seeds_is_left_out():
    outcomes = {arm: {0: outcome("aaaabbbb")} for arm in ("one", "two")}
    outcomes["other"] = {0: outcome("aaaabbbb", control="bbbbaaaa")}
    outcomes["longer"] = {0: outcome("aaaabbbb"), 1: outcome("aaaabbba")}
    summary = arms.summarise(outcomes, CLASSES)
    assert [values["control"] for values in summary["arms"].values()] == ["control", "control", "control of other"]
    assert accuracies(summary["controls"]) == {"control": 0.75, "control of other": 0}
    assert summary["incomplete"] == ["longer"]
    both = arms.summarise({"longer": outcomes["longer"]}, CLASSES)
    assert accuracies(both["arms"]) == {"longer": pytest.approx(0.9375)}  # the mean of 1 and 7 / 8


def test_the_table_has_a_line_for_each_model_and_metric(summary):
    table = arms.table({"by series": summary})
    assert len(table) == (3 + 1 + len(index.BASELINES)) * 4
    row = table[(table["model"] == "stats") & (table["metric"] == "accuracy")].iloc[0]
    assert (row["split"], row["kind"], row["value"], row["gap"]) == ("by series", "arm", 0.875, 0.125)
    control = table[(table["model"] == "control") & (table["metric"] == "recall of a")].iloc[0]
    assert (control["kind"], control["value"]) == ("control", 0.5)
    assert pd.isna(control["gap"])
