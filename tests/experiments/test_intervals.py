"""Metrics by series and their intervals, of probes and of others' predictions: by hand, and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.utils.class_weight import compute_sample_weight

from kidneyct.experiments import intervals, score
from kidneyct.pipeline.errors import InputError
from kidneyct.statistics import pooled


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
    values, without = intervals.measured(tables, codes)
    for metric in intervals.METRICS:
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
    accuracy = intervals.estimate(model, codes)["accuracy"]
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
    gap = intervals.estimate(model, codes, drawn)["accuracy"]
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
    both = intervals.estimate(drawn, codes, drawn[:, :, :, ::-1])["accuracy"]["parts"]["draws"]
    assert both == pytest.approx((2 * draws) ** 0.5, abs=1e-6)  # each side's, as they were drawn apart


def test_a_loss_is_never_below_zero():
    codes = np.repeat([0, 1], 5)
    loss = intervals.estimate(certain([0, 0, 0, 0, 0, 1, 1, 1, 1, 0])[None, None], codes)["log_loss"]
    value = -(9 * np.log(0.8) + np.log(0.2)) / 10
    assert loss["value"] == pytest.approx(value, abs=1e-6)
    assert loss["freedom"] == pytest.approx(4, abs=1e-6)  # class 0 says the same five times
    reach = stats.t.ppf(0.975, 4) * loss["error"] / value
    assert [loss["low"], loss["high"]] == pytest.approx(value * np.exp([-reach, reach]), rel=1e-4)
    assert loss["low"] > 0 > value - reach * value  # Student's interval would reach below


def test_without_errors_there_is_a_bound():
    codes = np.repeat([0, 1, 2, 3], [25, 20, 15, 11])
    perfect = certain(codes, 4)[None, None]
    found = intervals.estimate(perfect, codes)
    assert found["accuracy"] == {"value": 1, "low": pytest.approx(0.958684, abs=1e-6), "high": 1}  # 0.05 ** (1 / 71)
    of_smallest = {"value": 1, "low": pytest.approx(0.05 ** (1 / 44), abs=1e-6), "high": 1}
    assert found["macro_auroc"] == found["balanced_accuracy"] == of_smallest
    assert found["log_loss"] == {"value": pytest.approx(-np.log(0.8), abs=1e-6)}
    gap = intervals.estimate(perfect, codes, perfect)["accuracy"]
    reach = pytest.approx(1 - 0.025 ** (1 / 71), abs=1e-6)
    assert gap == {"value": 0, "low": -gap["high"], "high": reach}


def test_p_values_of_a_family_by_hand():
    gaps = {
        "a": {"value": 0.04, "error": 0.02, "freedom": 10.0},
        "b": {"value": -0.01, "error": 0.02, "freedom": 10.0},
        "c": {"value": 0.0, "low": -0.1, "high": 0.1},
    }
    found = pooled.family(gaps)
    two, half = 2 * stats.t.sf(2, 10), 2 * stats.t.sf(0.5, 10)
    assert found["a"] == pytest.approx(gaps["a"] | {"p": two, "p_holm": 2 * two}, abs=1e-6)
    assert found["b"] == pytest.approx(gaps["b"] | {"p": half, "p_holm": half}, abs=1e-6)
    assert found["c"] == gaps["c"]


CLASSES = ["Cyst", "Normal"]
PUBLISHED = pd.DataFrame(
    [(f"Cyst/{n}.jpg", "Cyst", f"cyst-{n // 2}", "open") for n in range(6)]
    + [(f"Normal/{n}.jpg", "Normal", f"normal-{n // 2}", "open") for n in range(4)]
    + [("Normal/9.jpg", "Normal", "normal-9", "locked")],
    columns=["image", "class", "series", "use"],
)
OPEN = PUBLISHED[PUBLISHED["use"] == "open"]


def written(path, **columns):
    pd.DataFrame({"image": OPEN["image"]} | columns).to_csv(path, index=False)
    return path


def test_measures_by_hand(tmp_path):
    cyst = np.array([0.9, 0.2, 0.6, 0.7, 0.3, 0.1, 0.4, 0.1, 0.3, 0.9])
    path = written(tmp_path / "p.csv", Cyst=cyst, Normal=1 - cyst)
    found = score.score(*score.read(path, PUBLISHED, CLASSES), CLASSES)
    # Slices right: 0, 2, 3 of the cysts, 6, 7, 8 of the normal ones.
    assert found["slices"]["accuracy"]["value"] == 0.6
    assert found["slices"]["recall of Cyst"]["value"] == 0.5
    # Series: cysts 0.55, 0.65, 0.2, normal ones 0.25, 0.6: two and one are right.
    of_series = {name: estimate["value"] for name, estimate in found["of_series"].items()}
    assert of_series["accuracy"] == 0.6
    assert of_series["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-6)
    # Pairs cyst, normal: 0.55 beats 0.25; 0.65 beats both; 0.2 none: 3 of 6.
    assert of_series["macro_auroc"] == pytest.approx(0.5, abs=1e-6)
    assert (found["images"], found["series"]) == (10, 5)


def test_classes_alone_of_some_images_of_every_series_have_no_auroc(tmp_path):
    path = tmp_path / "p.csv"
    OPEN.iloc[::2][["image"]].assign(predicted=OPEN["class"]).to_csv(path, index=False)
    found = score.score(*score.read(path, PUBLISHED, CLASSES), CLASSES)
    assert (found["images"], found["slices"]["accuracy"]["value"]) == (5, 1)
    assert set(found["of_series"]) == {"accuracy", "balanced_accuracy"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda t: t.drop(columns="Normal"), "expected a column image and a column for each of Cyst, Normal, or predi"),
        (lambda t: t[[]], "found none"),
        (lambda t: t.assign(image=t["image"].str.lower()), "10 images that benchmark/series.csv does not have: cyst/"),
        (lambda t: pd.concat([t, t[:1]]), "1 images twice or more: Cyst/0.jpg"),
        (lambda t: t[:5], "2 open series without an image: normal-0, normal-1"),
        (lambda t: pd.concat([t, t[:1].assign(image="Normal/9.jpg")]), "1 images of other than the open series: Norm"),
        (lambda t: t.assign(Cyst=0.7), "10 images whose probabilities do not sum to 1: "),
        (lambda t: t.assign(Cyst=[np.nan] + [0.5] * 9), "1 images with a probability that is no number from 0 to 1: "),
        (lambda t: t.assign(Cyst=1.5, Normal=-0.5), "10 images with a probability that is no number from 0 to 1: "),
        (lambda t: t[["image"]].assign(predicted="cyst"), "10 images predicted as none of Cyst, Normal: Cyst/0.jpg,"),
    ],
)
def test_a_fault_is_one_line(tmp_path, change, line):
    path = written(tmp_path / "p.csv", Cyst=np.full(10, 0.5), Normal=np.full(10, 0.5))
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(InputError) as caught:
        score.read(path, PUBLISHED, CLASSES)
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1 + ("does not have" in line)


def test_the_final_test_wants_the_locked_series_alone_and_reads_this_projects_own_columns(tmp_path):
    path = tmp_path / "p.csv"
    own = pd.DataFrame({"image": ["Normal/9.jpg"], "probability of Cyst": [0.1], "probability of Normal": [0.9]})
    own.to_csv(path, index=False)
    codes, series, probabilities, scored = score.read(path, PUBLISHED, CLASSES, use="locked")
    assert (codes.tolist(), series.tolist(), probabilities.tolist(), scored) == ([1], ["normal-9"], [[0.1, 0.9]], True)
    pd.concat([own, own.assign(image="Cyst/0.jpg")]).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"1 images of other than the locked series: Cyst/0\.jpg"):
        score.read(path, PUBLISHED, CLASSES, use="locked")
