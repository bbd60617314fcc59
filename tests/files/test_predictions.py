"""The table of predictions: the class with the highest probability, told once."""

import numpy as np
import pandas as pd
import pytest

from kidneyct.files import index, predictions

CLASSES = ["label", "image", "predicted"]  # as awkward as class names can be


@pytest.fixture
def table():
    split = pd.DataFrame({"image": list("wxyz"), "label": ["label", "image", "predicted", "label"]})
    # In the second line two classes are nearly tied: six digits in a file can't tell them apart.
    probabilities = np.array([[0.7, 0.2, 0.1], [0.4, 0.40000004, 0.2]])
    return predictions.tabulate(split, [3, 1], CLASSES, probabilities)


def test_a_line_each_row_whatever_the_classes_are_called(table):
    assert table[["image", "label", "predicted"]].values.tolist() == [["z", "label", "label"], ["x", "image", "image"]]
    assert table.shape == (2, 6)
    assert predictions.certainty(table).tolist() == [0.7, 0.40000004]


def test_a_near_tie_stays_what_it_was_when_read_back(table, tmp_path):
    table.to_csv(tmp_path / "p.csv", index=False, float_format="%.6f")
    read = index.read(tmp_path / "p.csv")
    assert read["predicted"].tolist() == ["label", "image"]
    assert predictions.certainty(read).tolist() == [0.7, 0.4]


@pytest.mark.parametrize(
    ("classes", "counts", "shares"),
    [("abc", [[1, 1, 0], [0, 1, 0], [0, 0, 0]], [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]]), ("ba", [[1, 0], [1, 1]], None)],
)
def test_confusion_counts_by_hand(classes, counts, shares):
    table = pd.DataFrame({"label": list("aab"), "predicted": list("abb")})
    found = predictions.confusion(table, list(classes))
    assert found.tolist() == counts
    assert shares is None or predictions.shares(found).tolist() == shares
