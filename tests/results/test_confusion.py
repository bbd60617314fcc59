"""Which class was taken for which, counted by hand."""

import pandas as pd

from kidneyct.statistics import confusion


def test_counts_and_their_shares():
    predictions = pd.DataFrame({"label": list("aab"), "predicted": list("abb")})
    counts = confusion.confusion(predictions, ["a", "b", "c"])
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert confusion.shares(counts).tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]]


def test_the_order_is_the_classes_own():
    predictions = pd.DataFrame({"label": list("aab"), "predicted": list("abb")})
    assert confusion.confusion(predictions, ["b", "a"]).tolist() == [[1, 0], [1, 1]]
