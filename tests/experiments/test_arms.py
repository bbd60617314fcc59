"""A study's arms and its probes put together, on tables made by hand and made-up probabilities."""

import numpy as np
import pandas as pd
import pytest
from outcomes import CLASSES, outcome
from outcomes import summary as summarise

from kidneyct.experiments import arms, starts
from kidneyct.files import index
from kidneyct.probe import probe


@pytest.fixture(scope="module")
def summary():
    return summarise()


def accuracies(models):
    return {name: values["accuracy"]["value"] for name, values in models.items()}


def test_every_arm_by_itself_against_the_control_and_the_baselines(summary):
    assert (summary["images"], summary["series"], summary["seeds"]) == (8, 4, 1)
    assert accuracies(summary["arms"]) == {"imagenet": 1, "stats": 0.875, "none": 0.5}
    assert accuracies(summary["controls"]) == {"control": 0.75}
    gaps = {arm: values["against_control"] for arm, values in summary["arms"].items()}
    assert accuracies(gaps) == {"imagenet": 0.25, "stats": 0.125, "none": -0.25}
    # Of series: the control gives a 0.9, 0.1, 0.1, 0.1, so of four pairs two are right and two ties.
    found = [model["macro_auroc"]["value"] for model in (summary["controls"]["control"], gaps["stats"])]
    assert found == [0.75, 0.25]
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
    assert len(table) == (3 + 1) * 5 + len(index.BASELINES) * 4
    row = table[(table["model"] == "stats") & (table["metric"] == "accuracy")].iloc[0]
    assert (row["split"], row["kind"], row["value"], row["gap"]) == ("by series", "arm", 0.875, 0.125)
    control = table[(table["model"] == "control") & (table["metric"] == "recall of a")].iloc[0]
    assert (control["kind"], control["value"]) == ("control", 0.5)
    assert pd.isna(control["gap"])


CODES = np.repeat([0, 1], 40)
SERIES = np.repeat(np.arange(40), 2)


def told(skill, draws=1, cuts=3, seed=0):
    """Probabilities (d, c, 80, 2) that lean to the right class by `skill`."""
    generator = np.random.default_rng(seed)
    lean = generator.normal(skill, 1, (draws, cuts, 80)) * np.where(CODES, 1, -1)
    second = 1 / (1 + np.exp(-lean))
    return np.stack([1 - second, second], axis=-1)


@pytest.fixture(scope="module")
def found():
    return {
        ("thumbnails", "thumbnails", 1.0): told(0.3, seed=1),
        ("acquisition", "acquisition", 1.0): told(0.0, seed=2),
        ("imagenet", probe.ALL, 1.0): told(2.0, seed=3),
        ("random", probe.ALL, 1.0): told(0.8, draws=4, seed=4),
        ("imagenet", "block 1", 1.0): told(1.0, cuts=2, seed=5),
        ("random", "block 1", 1.0): told(0.5, draws=2, cuts=2, seed=6),
        ("imagenet", probe.ALL, 0.5): told(1.5, cuts=2, seed=7),
        ("random", probe.ALL, 0.5): told(0.6, draws=2, cuts=2, seed=8),
        ("imagenet", starts.WITH_ACQUISITION, 1.0): told(2.0, cuts=2, seed=9),
        ("random", starts.WITH_ACQUISITION, 1.0): told(0.0, draws=2, cuts=2, seed=2),
    }


@pytest.fixture(scope="module")
def result(found):
    chosen = {key: [(0.01, "none"), (10.0, "highest")] for key in found}
    return starts.summarise(found, chosen, CODES, SERIES, CLASSES)


def test_it_says_what_it_rests_on(result):
    assert (result["images"], result["series"], result["cuts"], result["draws"]) == (80, 40, 3, 4)
    assert result["series_by_class"] == {"a": 20, "b": 20}
    assert result["curves"] == {"cuts": 2, "draws": 2}
    assert result["models"]["imagenet"]["strengths"] == {"0.01": 1, "10": 1}
    assert result["models"]["imagenet"]["at_edge"] == 1
    beyond = result["beyond_acquisition"]  # what a network adds to it
    assert beyond["imagenet"]["low"] > 0.1
    assert beyond["random"]["low"] < 0 < beyond["random"]["high"]


def test_values_are_means_over_draws_and_cuts(found, result):
    for model in ("imagenet", "random"):
        tables = found[model, probe.ALL, 1.0]
        each = [[probe.evaluate(table, CODES, SERIES, CLASSES) for table in cuts] for cuts in tables]
        aurocs = np.array([[one["series"]["macro_auroc"] for one in cuts] for cuts in each])
        assert result["models"][model]["macro_auroc"]["value"] == pytest.approx(aurocs.mean(), abs=2e-6)
        accuracy = np.mean([[one["accuracy"] for one in cuts] for cuts in each])
        assert result["models"][model]["slices"]["accuracy"] == pytest.approx(accuracy, abs=2e-6)
    np.testing.assert_allclose(result["draw_values"], aurocs.mean(axis=1), atol=2e-6)


def test_the_primary_contrast_comes_first_and_the_family_is_the_others(result):
    contrasts = result["contrasts"]
    pairs = [("imagenet", other) for other in ("random", "thumbnails", "acquisition")]
    pairs += [("random", "thumbnails"), ("random", "acquisition")]
    assert list(contrasts) == [" less ".join(pair) for pair in pairs]
    models = result["models"]
    gap = models["imagenet"]["macro_auroc"]["value"] - models["random"]["macro_auroc"]["value"]
    primary = contrasts["imagenet less random"]["macro_auroc"]
    assert primary["value"] == pytest.approx(gap, abs=2e-6)
    assert primary["p_holm"] == primary["p"]  # a family of its own
    ps = sorted([gaps["macro_auroc"]["p"], gaps["macro_auroc"]["p_holm"]] for gaps in list(contrasts.values())[1:])
    assert ps[0][1] == pytest.approx(min(1, 4 * ps[0][0]), abs=1e-5)


def test_the_plans_sentences():
    gaps = {"a": (0.07, 0.03, 0.11), "c": (-0.07, -0.11, -0.03), "d": (0.01, -0.03, 0.05), "e": (0.01, -0.03, 0.06)}
    gaps = {name: dict(zip(("value", "low", "high"), ends, strict=True)) for name, ends in gaps.items()}
    gaps["f"] = {"value": 0.02, "low": 0.001, "high": 0.039, "p_holm": 0.12}
    contrasts = {f"{name} less b": {"macro_auroc": gap} for name, gap in gaps.items()}
    assert starts.sentences({"contrasts": contrasts}) == [
        "a is better than b: +7.0 (+3.0 to +11.0) points of macro AUROC",
        "c is worse than b: -7.0 (-11.0 to -3.0) points of macro AUROC",
        "d and b are equivalent within 5 points: +1.0 (-3.0 to +5.0) points of macro AUROC",
        "e and b: not settled by these series: +1.0 (-3.0 to +6.0) points of macro AUROC",
        "f is better than b: +2.0 (+0.1 to +3.9) points of macro AUROC; not shown once corrected, p 0.120",
    ]


def test_series_are_told_with_the_probability_of_their_class(found):
    table = starts.heat(found, CODES, SERIES, np.array([f"x/{n}.png" for n in range(80)]), CLASSES)
    assert list(table.columns) == ["first_image", "class", "images", "thumbnails", "acquisition", "imagenet", "random"]
    own = table[table["first_image"] == "x/42.png"].iloc[0]
    expected = found["random", probe.ALL, 1.0][:, :, [42, 43], 1].mean()
    assert (own["class"], own["images"]) == ("b", 2)
    assert own["random"] == pytest.approx(expected)
    assert table["class"].tolist() == ["a"] * 20 + ["b"] * 20
    assert all(np.diff(table["imagenet"][:20]) >= 0)
