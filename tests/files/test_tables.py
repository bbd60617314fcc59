"""Tables that stages leave: whole and of their columns, or one line that names the file; rows, codes, predictions."""

import json

import numpy as np
import pandas as pd
import pytest

from kidneyct.files import index, predictions, tables
from kidneyct.files.rounding import rounded
from kidneyct.pipeline.errors import InputError

RATES = """\
learning_rate,epochs,kept_epoch,val_loss,val_accuracy,stopped,edge,kept
0.0001,5,3,1.25,0.5,1,lowest,1
0.001,5,5,1.5,0.25,0,highest,0
"""
SPLIT = "image,label,split\na/1,a,train\na/2,a,test\n"


def test_a_table_and_the_line_that_is_kept(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text(RATES)
    trials = tables.read(path, tables.RATES)
    assert trials["learning_rate"].tolist() == [0.0001, 0.001]
    kept = tables.kept(trials)
    assert (kept["kept_epoch"], kept["val_loss"], kept["edge"]) == (3, 1.25, "lowest")
    assert [tables.edge(rate, [0.01, 1e-4, 0.1]) for rate in (1e-4, 0.01, 0.1)] == ["lowest", "none", "highest"]
    assert tables.edge(0.01, [0.01]) == "none"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("rates.csv", "", "none (No columns to parse from file)"),
        ("rates.csv", RATES[:-2], "a last line that is cut short"),
        ("rates.csv", RATES.splitlines()[0] + "\n", "no line below the header"),
        ("rates.csv", RATES.replace(",edge", ""), "lines of more values than the first has names"),
        ("rates.csv", RATES.replace("edge", "age"), "no column edge"),
        ("rates.csv", RATES.replace("0.25", "1.25"), "other values than numbers from 0 to 1 in the column val_acc"),
        ("rates.csv", RATES.replace("1.5", "inf"), "other values than numbers in the column val_loss"),
        ("rates.csv", RATES.replace("5,3", "5.5,3"), "other values than whole numbers from 0 in the column epochs"),
        ("rates.csv", RATES.replace("lowest", ""), "other values than text in the column edge"),
        ("rates.csv", RATES.replace("highest,0", "highest,2"), "other values than only 0 and 1 in the column kept"),
        ("rates.csv", RATES.replace("highest,0", "highest,1"), "2 lines that are kept, not one"),
        ("split.csv", "\udc93NUMPY\n", "none ('utf-8' codec can't decode byte 0x93"),
        ("split.csv", "image,label\na/1,a\n", "no column split"),
        ("split.csv", SPLIT.replace("a/2", "a/1"), "a/1 twice"),
        ("split.csv", SPLIT.replace("test", "tset"), "unknown parts in the column split"),
        *(("split.csv", f"image,label,split,series\na,a,test,{n}\n", "other values") for n in ("1.5", "", "x", "-1")),
    ],
)
def test_what_is_none_is_one_line(tmp_path, name, content, found):
    path = tmp_path / name
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        index.read(path) if name == "split.csv" else tables.read(path, tables.RATES)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}: expected a table")
    assert f", found {found}" in line
    assert line.endswith(f"; bring it back with dvc checkout {path}, or make it again with dvc repro")


def test_rows_and_codes():
    table = pd.DataFrame({"label": list("abab") * 3, "split": ["test"] * 8 + ["train", "validation", "train", "train"]})
    assert index.rows(table, "train").tolist() == [8, 10, 11]
    assert index.codes(table["label"], ["b", "a"]).tolist() == [1, 0] * 6
    with pytest.raises(InputError, match=r"data\.classes: expected a, b as labels of the images, found c; run"):
        index.codes(pd.Series(list("abc")), ["a", "b"])


def test_predictions_of_other_images_are_one_line():
    split = pd.DataFrame({"image": list("abc"), "split": ["test", "train", "test"]})
    predicted = pd.DataFrame({"image": ["a", "c"]})
    assert index.test_rows(split, {"p.csv": predicted}).tolist() == [0, 2]
    for others, found in ((predicted[:-1], "a line for each of the 2 images"), (predicted[::-1], "the images")):
        with pytest.raises(InputError, match=f"^p.csv: expected {found} of the test part of data/split.csv"):
            index.test_rows(split, {"p.csv": others})


def test_a_table_appears_whole_and_its_text_stays_text(tmp_path):
    names = ["01", "NA", 'a,"b".jpg', "<i>"]
    table = pd.DataFrame({"image": names, "label": ["01", "None"] * 2, "split": ["train", "test"] * 2})
    table = table.assign(series=[0, 2, 0, 1], **{"01": [0.25, 1, 0, 0]})
    tables.write(table, tmp_path / "split.csv")
    read = index.read(tmp_path / "split.csv")
    pd.testing.assert_frame_equal(read, table)
    assert index.codes(read["label"], ["None", "01"]).tolist() == [1, 0, 1, 0]
    assert index.read_series(tmp_path / "split.csv").tolist() == [0, 2, 0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["split.csv"]


def test_tables_of_other_images_than_the_index(tmp_path):
    table = pd.DataFrame({"image": list("abc")})
    index.same_rows({"index": table, "split": table, "series": np.zeros(3)})
    with pytest.raises(InputError, match="series: expected a line for each of the 3 images of index, found 2; bring"):
        index.same_rows({"index": table, "split": table, "series": np.zeros(2)})
    with pytest.raises(InputError, match="split: expected the images of index in its order, found others; bring"):
        index.same_rows({"index": table, "split": table[::-1]})


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


def test_numbers_become_plain_and_text_and_truths_stay():
    tree = {"a": np.float32(1 / 3), "b": {"n": 7, "flag": True, "name": "x"}, "zero": -1e-9}
    assert json.dumps(rounded(tree)) == '{"a": 0.333333, "b": {"n": 7, "flag": true, "name": "x"}, "zero": 0.0}'
    assert rounded({"a": 1 / 3}, 4) == {"a": 0.3333}
