"""What the benchmarks compute; nothing is timed here."""

import json
import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks import gap, intervals, stopwatch


def test_ways_take_turns_and_ratios_go_turn_by_turn(monkeypatch):
    now, calls = [0.0], []

    def way(name, seconds):
        def run():
            calls.append(name)
            now[0] += seconds.pop(0)

        return run

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    found = stopwatch.interleaved({"a": way("a", [9, 1, 2, 4]), "b": way("b", [9, 3, 4, 20])}, 3)
    assert calls == ["a", "b"] * 4  # the first of each compiles and does not count
    assert found == {"a": [1, 2, 4], "b": [3, 4, 20]}
    assert stopwatch.ratio(found["a"], found["b"]) == {"median": 3, "low": 2, "high": 5}
    assert stopwatch.rate(8, found["a"]) == {"median": 4, "low": 2, "high": 8}


def test_a_table_and_its_json(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(stopwatch, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["/a/clone/benchmarks/some.py", "--size", "gpu", "--images", "96"])
    rows = [{"way": "ours", "seconds": {"median": 1.23456, "low": 1, "high": 1234.5}}]
    rows.append({"way": "theirs", "seconds": 0.5})
    stopwatch.publish("some", "tiny", rows)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.splitlines()[1:] == [
        "some",
        "way     seconds",
        "------  -----------------",
        "ours    1.23 (1 to 1,234)",
        "theirs  0.5",
        "",
    ]
    stopwatch.publish("some", "gpu", rows, ["a note"])
    written = json.loads((tmp_path / "some-gpu.json").read_text())
    assert written["rows"][0] == {"way": "ours", "seconds": {"median": 1.235, "low": 1, "high": 1234}}
    assert written["notes"] == ["a note"]
    assert written["command"] == "python -m benchmarks.some --size gpu --images 96"


@pytest.mark.parametrize(
    ("losses", "end", "kept"),
    [
        ([3, 2, 1], 3, 3),
        ([3, 1, 2, 2, 0], 4, 2),  # the second epoch in a row without a lower loss ends it, before the lowest of all
        ([3, 1, 2, 0.5, 0.5, 0.5, 0], 6, 4),  # an equal loss is no lower one
        ([2, 3], 2, 1),
    ],
)
def test_stopped_with_a_patience_of_two(losses, end, kept):
    assert gap.stopped(losses, 2) == (end, kept)


def test_a_larger_draw_holds_a_smaller_one_and_the_largest_is_the_archive():
    few, many = (set(gap.chosen(count, 50, seed=1)) for count in (10, 20))
    assert len(few) == 10
    assert few < many
    np.testing.assert_array_equal(gap.chosen(50, 50, seed=1), np.arange(50))
    assert few != set(gap.chosen(10, 50, seed=2))


def test_scale_sums_the_deviations_of_an_images_features():
    # Two places of one channel: deviations over the first two images 1 and 3, which make 4.
    features = np.array([[[[1.0], [1.0]]], [[[3.0], [7.0]]], [[[99.0], [99.0]]]], np.float16)  # (3, 1, 2, 1)
    assert gap.scale(features, [0, 1], "none") == 4
    # All four values: 1, 1, 3, 7; mean 3, variance (4 + 4 + 0 + 16) / 4 = 6.
    assert gap.scale(features, [0, 1], "features") == pytest.approx(4 / 6**0.5)


def test_fitted_probes_are_scikit_learns():
    generator = np.random.default_rng(0)
    features = np.column_stack([generator.normal(size=(200, 6)), np.ones(200)]).astype(np.float32)
    codes = (features[:, :4] + generator.normal(size=(200, 4))).argmax(axis=1)
    weights = generator.uniform(0.5, 2, (200, 3)) * (generator.random((200, 3)) < 0.8)  # a fifth is left out
    found = intervals.fit(features, codes, weights)
    for number, of_fit in enumerate(weights.T):
        expected = LogisticRegression(C=intervals.STRENGTH, tol=1e-8).fit(features[:, :-1], codes, of_fit)
        np.testing.assert_allclose(found[:-1, :, number].T, expected.coef_, atol=2e-3)
        shown = intervals.probabilities(features, found)[:, :, number]
        np.testing.assert_allclose(shown, expected.predict_proba(features[:, :-1]), atol=2e-3)


def test_a_series_is_answered_by_a_probe_that_has_not_seen_it():
    """One series of class 1 lies where class 0 does; in no cut does its own probe know it as class 1."""
    codes, series = np.repeat([0, 1], 10), np.repeat(np.arange(20), 2)
    features = np.repeat(np.where(codes == 0, -3.0, 3.0), 2)[:, None]
    features[38:] = -30
    folds = np.stack([np.arange(20) % 5, np.arange(20)[::-1] % 5])
    answered = intervals.answers(features, codes, series, folds)
    assert answered.shape == (2, 20, 2)
    np.testing.assert_allclose(answered.sum(axis=2), 1, atol=1e-5)
    assert answered[:, :10, 0].min() > 0.5
    assert answered[:, 19, 0].min() > 0.99
