"""Rows, codes, and tables whose text stays text."""

import numpy as np
import pandas as pd
import pytest

from kidneyct.files import index
from kidneyct.pipeline.errors import InputError


def test_rows_and_codes():
    table = pd.DataFrame({"label": list("abab") * 3, "split": ["test"] * 8 + ["train", "validation", "train", "train"]})
    assert index.rows(table, "train").tolist() == [8, 10, 11]
    assert index.codes(table["label"], ["b", "a"]).tolist() == [1, 0] * 6
    with pytest.raises(InputError, match=r"data\.classes: expected a, b as labels of the images, found c; run"):
        index.codes(pd.Series(list("abc")), ["a", "b"])


def test_a_table_appears_whole_and_its_text_stays_text(tmp_path):
    names = ["01", "NA", 'a,"b".jpg', "<i>"]
    table = pd.DataFrame({"image": names, "label": ["01", "None"] * 2, "split": ["train", "test"] * 2})
    table = table.assign(series=[0, 2, 0, 1], **{"01": [0.25, 1, 0, 0]})
    index.write(table, tmp_path / "split.csv")
    read = index.read(tmp_path / "split.csv")
    pd.testing.assert_frame_equal(read, table)
    assert index.codes(read["label"], ["None", "01"]).tolist() == [1, 0, 1, 0]
    assert index.read_series(tmp_path / "split.csv").tolist() == [0, 2, 0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["split.csv"]


SPLIT = "image,label,split\na/1,a,train\na/2,a,test\n"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x93NUMPY\xff\n", "none ('utf-8' codec can't decode byte 0x93"),
        (SPLIT[:-6].encode() + b"\n", "another split than text"),
        (b"image,label\na/1,a\n", "no column split"),
        (SPLIT.replace("a/2", "a/1").encode(), "a/1 twice"),
        (SPLIT.replace("test", "tset").encode(), "unknown parts in the column split"),
        *((f"image,label,split,series\na,a,test,{n}\n".encode(), "another series") for n in ("1.5", "", "x", "-1")),
    ],
)
def test_a_damaged_split_is_one_line(tmp_path, content, found):
    path = tmp_path / "split.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        index.read(path)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith(f"{path}: expected a table of images, found {found}")
    assert line.endswith(f"; bring it back with dvc checkout {path}, or make it anew with dvc repro")


def test_tables_of_other_images_than_the_index(tmp_path):
    table = pd.DataFrame({"image": list("abc")})
    index.same_rows({"index": table, "split": table, "series": np.zeros(3)})
    with pytest.raises(InputError, match="series: expected a line for each of the 3 images of index, found 2; bring"):
        index.same_rows({"index": table, "split": table, "series": np.zeros(2)})
    with pytest.raises(InputError, match="split: expected the images of index in its order, found others; bring"):
        index.same_rows({"index": table, "split": table[::-1]})
