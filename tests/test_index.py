"""Rows, codes, and tables whose text stays text."""

import pandas as pd

from kidneyct import index


def test_rows_and_codes():
    table = pd.DataFrame({"label": list("abab") * 3, "split": ["test"] * 8 + ["train", "validation", "train", "train"]})
    assert index.rows(table, "train").tolist() == [8, 10, 11]
    assert index.codes(table["label"], ["b", "a"]).tolist() == [1, 0] * 6


def test_names_that_look_like_numbers_or_nothing_stay_text(tmp_path):
    table = pd.DataFrame({"image": ["01", "NA"], "label": ["01", "None"], "split": ["train", "test"], "01": [0.25, 1]})
    table.to_csv(tmp_path / "t.csv", index=False)
    read = index.read(tmp_path / "t.csv")
    assert read[["image", "label", "split"]].values.tolist() == [["01", "01", "train"], ["NA", "None", "test"]]
    assert read["01"].tolist() == [0.25, 1]
    assert index.codes(read["label"], ["None", "01"]).tolist() == [1, 0]


def test_series_of_the_rows(tmp_path):
    pd.DataFrame({"image": ["b", "a", "c"], "series": [0, 2, 0]}).to_csv(tmp_path / "s.csv", index=False)
    assert index.read_series(tmp_path / "s.csv").tolist() == [0, 2, 0]
