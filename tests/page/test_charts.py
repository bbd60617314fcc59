"""Both models' numbers: the same bytes each time, and the charts' sizes."""

import numpy as np
import pandas as pd
from PIL import Image

from kidneyct.maps.methods import METHODS
from kidneyct.report import charts


def test_confusion_matrices(size_of):
    matrix = np.array([[3, 1], [0, 0]])  # a class without an image too
    assert size_of(lambda path: charts.confusion_pair(path, [matrix, matrix], ["x", "y"], ["a", "b"])) == (1575, 735)


def test_confusion_headings_are_not_cut_off(tmp_path):
    path = tmp_path / "confusion.png"
    charts.confusion_pair(path, [np.eye(2, dtype=int)] * 2, ["x", "y"], ["candidate\naccuracy", "control\naccuracy"])
    pixels = np.asarray(Image.open(path).convert("L"))
    assert [edge.min() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])] == [255] * 4


def test_reliability(size_of):
    bins = pd.DataFrame({"low": [0.6, 0.8], "high": [0.8, 1.0], "confidence": [0.7, 0.9], "accuracy": [0.0, 1.0]})
    bins["count"] = [1, 2]
    assert size_of(lambda path: charts.reliability_pair(path, [bins, bins], ["a", "b"])) == (1575, 1080)


def test_the_curve_by_similarity(size_of, monkeypatch):
    table = pd.DataFrame({"similarity": [0.9, 0.99], "series": [3, 8], "mixed": [1, 0]})
    table["nearest_thumbnail"] = [np.nan, 0.5]
    assert size_of(lambda path: charts.similarity_curve(path, table, 0.95)) == (1275, 435)
    drawn = []
    monkeypatch.setattr(charts.canvas, "save", lambda figure, _: drawn.append(figure))
    charts.similarity_curve("", table, 0.95)
    charts.similarity_curve("", table.iloc[:0], 0.95)
    counts, look_up = drawn[0].axes
    assert [line.get_ydata().tolist() for line in counts.lines[:2]] == [[3, 8], [1, 0]]
    assert (look_up.lines[0].get_ydata()[1], look_up.lines[1].get_xdata()) == (0.5, [0.95, 0.95])
    assert drawn[1].texts[0].get_text().startswith("not computed: ")


def test_learning_curves(size_of):
    history = pd.DataFrame({"epoch": [1, 2], "loss": [1, 0.5], "accuracy": [0.5, 1], "kept": [0, 1]})
    history = history.assign(val_loss=[2, np.nan], val_accuracy=[0.25, 0.75])
    assert size_of(lambda path: charts.learning_curves(path, [history, history], ["a", "b"])) == (1575, 660)


def test_cascades_of_randomised_weights(size_of):
    cascade = pd.DataFrame(
        [
            (method, step, 1 / (place + 1) ** power)
            for power, method in enumerate(METHODS)
            for place, step in enumerate(["trained", "scores", "block5"])
        ],
        columns=["method", "step", "correlation"],
    )
    assert size_of(lambda path: charts.randomization_chart(path, [cascade], ["a"], 0.5)) == (780, 630)
