"""Which images are explained, and the record of them."""

import numpy as np
import pandas as pd
import pytest

from kidneyct.maps import selection


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "image": [f"{label}/{n}.png" for n, label in enumerate("aaaaabbb")],
            "label": list("aaaaabbb"),
            "split": ["test"] * 5 + ["train"] + ["test"] * 2,
        }
    )


@pytest.fixture
def predictions():
    """A line for each of the test rows 0 to 4, 6 and 7; the second and fourth are wrong."""
    return pd.DataFrame(
        {
            "label": list("aaaaabb"),
            "predicted": list("abababb"),
            "probability of a": [0.9, 0.4, 0.8, 0.1, 0.6, 0.2, 0.3],
            "probability of b": [0.1, 0.6, 0.2, 0.9, 0.4, 0.8, 0.7],
        }
    )


def test_examples_are_spread_over_a_class(table):
    assert selection.choose(table, ["a", "b"], 1).tolist() == [2, 6]  # the middle of 0 … 4; of 6 and 7 the first
    assert selection.choose(table, ["b", "a"], 3).tolist() == [6, 7, 0, 2, 4]
    assert selection.choose(table, ["a"], 4).tolist() == [0, 1, 3, 4]
    assert selection.choose(table, ["b", "a"], 9).tolist() == [6, 7, 0, 1, 2, 3, 4]  # all that it has
    assert selection.spread(table, ["a", "b"], 3).tolist() == [1, 3, 6]


def test_mistakes_are_the_most_confident(table, predictions):
    assert [selection.mistakes(table, predictions, count).tolist() for count in (4, 1, 0)] == [[3, 1], [3], []]


def test_class_and_probability_are_those_of_the_predictions(table, predictions):
    assert selection.predicted(table, predictions, ["b", "a"], np.array([7, 3, 0])).tolist() == [0, 0, 1]
    images = np.arange(8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    kept = {"rows": np.array([6, 0, 3]), "mistake": np.array([False, False, True]), "saliency": np.ones((3, 2, 2))}
    shown = selection.explained(table, predictions, images, kept)
    assert [(row.name, row.label, row.predicted, row.probability) for row in shown] == [
        ("6.png", "b", "b", 0.8),
        ("0.png", "a", "a", 0.9),
    ]
    assert (shown[0].image == 6).all()
    assert list(shown[0].maps) == ["saliency"]
    (wrong,) = selection.explained(table, predictions, images, kept, mistakes=True)
    assert (wrong.name, wrong.label, wrong.predicted, wrong.probability) == ("3.png", "a", "b", 0.9)
