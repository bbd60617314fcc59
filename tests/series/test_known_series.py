"""A table of known series: what is read, what is refused in which line, and how inference is judged by it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import series as stage

from kidneyct.pipeline.errors import InputError
from kidneyct.series import known_series
from kidneyct.sources import source

IMAGES = ["Cyst/a.png", "Cyst/b.png", "Stone/a b.png", "Stone/c.png"]
ROWS = {"Stone/c.png": "p2", "Cyst/a.png": "p2", "Cyst/b.png": "p1", "Stone/a b.png": "p2"}


def written(rows=ROWS, line="{},{}", end="\n"):
    pairs = rows.items() if isinstance(rows, dict) else rows
    return "".join(text + end for text in ["image,series", *(line.format(*pair) for pair in pairs)]).encode()


def numbers(content):
    return known_series.numbers(known_series.parse(content, "t.csv"), IMAGES, "t.csv").tolist()


def complaint(content):
    with pytest.raises(InputError) as caught:
        numbers(content)
    return str(caught.value)


READABLE = {
    "plain": written(),
    "as a spreadsheet saves it": b"\xef\xbb\xbf" + written(line='"{}","{}"', end="\r\n") + b",\r\n\r\n",
    "spaces around a series": written(line="{}, {} "),
    "more columns, another order": b"slice,series,image,series.1,\n"
    + b"".join(f"1,{series},{image},x,\n".encode() for image, series in ROWS.items()),
    "old line ends": written(end="\r"),
    "no last line end": written().rstrip(),
}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE)
def test_series_are_numbered_in_the_order_of_the_index(content):
    assert numbers(content) == [0, 1, 0, 0]  # one patient has images of two classes


def test_names_are_text_and_those_that_look_alike_are_told(capsys):
    rows = dict(zip(IMAGES, ["1", "01", "NA", "1.0"], strict=True))
    assert numbers(written(rows)) == [0, 1, 2, 3]
    assert capsys.readouterr().out == "t.csv: taken as different series: 01, 1\n"
    accents = dict(zip(IMAGES, ["é", "e\u0301", "x", "x"], strict=True))
    assert numbers(written(accents)) == [0, 0, 1, 1]


def test_lines_of_other_images_are_named_and_not_used(capsys):
    """Such as of unreadable images, or of classes that are not used."""
    assert numbers(written(ROWS | {"Tumor/a.png": "p3", "Cyst/broken.png": "p3"})) == [0, 1, 0, 0]
    said = "t.csv: 2 image(s) not used, as data/images/index.csv does not have them: Cyst/broken.png, Tumor/a.png\n"
    assert capsys.readouterr().out == said


def test_every_kind_of_fault_is_a_line_with_its_count():
    rows = [*ROWS.items(), ("Cyst/a.png", "p2"), ("", "p9"), ("Cyst/B.png", "p1")]
    rows = [(image, "" if image == "Stone/c.png" else name) for image, name in rows if image != "Cyst/b.png"]
    assert complaint(written(rows)).splitlines() == [
        "t.csv: 1 line(s) without the name of an image: series p9",
        "t.csv: 1 image(s) with an empty name of the series: Stone/c.png",
        "t.csv: 1 image(s) twice or more: Cyst/a.png",
        "t.csv: 1 image(s) of data/images/index.csv missing: Cyst/b.png",
        "t.csv: 1 image(s) not used, as data/images/index.csv does not have them: Cyst/B.png; correct the table, whose "
        "names are those of data/images/index.csv, letter by letter, or set series.table: none",
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "expected the columns image and series once each in its first line, found none; save it as CSV"),
        (b"image;series\nCyst/a.png;1\n", "once each in its first line, found image;series; save it as CSV, with"),
        (b"PK\x03\x04\xff\x00", "not a CSV file in UTF-8 ('utf-8' codec can't decode byte 0xff in position 4"),
        (b"image,series\na,b\nCyst/a,b.png,1\n", "line 3 has 3 values, not 2 as the first; mend the table"),
    ],
)
def test_what_is_no_such_table_is_told_in_a_line(content, line):
    found = complaint(content)
    assert found.startswith("t.csv: ")
    assert line in found
    assert "\n" not in found


def test_agreement_by_hand():
    # Inferred {1,2,3,4} holds known a, a, a, b; {5,6} holds b, b. Pairs together: in both 3 + 1, known 3 + 3, inferred
    # 6 + 1, of 15. By chance 6 · 7 / 15 = 2.8, so (4 - 2.8) / ((6 + 7) / 2 - 2.8) = 1.2 / 3.7. Purity (3 + 2) / 6.
    found = known_series.agreement(list("aaabbb"), [7, 7, 7, 7, 3, 3])
    assert found == pytest.approx({"known": 2, "inferred": 2, "adjusted_rand_index": 1.2 / 3.7, "purity": 5 / 6})
    cut = known_series.agreement([0, 0, 1, 1], [0, 1, 2, 2])  # in both 1, known 2, inferred 1, of 6: 1/3 by chance
    assert (cut["known"], cut["inferred"], cut["purity"]) == (2, 3, 1)
    assert cut["adjusted_rand_index"] == pytest.approx((1 - 1 / 3) / (1.5 - 1 / 3))
    assert known_series.agreement([5, 5, 9], [0, 0, 1])["adjusted_rand_index"] == 1


@pytest.fixture
def project(tmp_path, monkeypatch):
    """What the stage reads: thumbnails that are one series, and an archive's patients.csv, of pairs."""
    for name in ("params.yaml", "dvc.yaml", "benchmark/series.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/images").mkdir(parents=True)
    index = pd.DataFrame([(f"{label}/{label}- ({n}).jpg", label) for label in ("Cyst", "Stone") for n in (1, 2, 3, 4)])
    index.columns = ["image", "label"]
    index.assign(width=1, height=1, sha256=list("abcdefgh")).to_csv("data/images/index.csv", index=False)
    Path("data/images/rejected.csv").write_text("image,label,reason\n")
    np.save("data/images/thumbnails.npy", np.tile(np.arange(25, dtype=np.uint8), (8, 25, 1)))
    return tmp_path


def run(table, capsys):
    settings = Path("params.yaml")
    settings.write_text(re.sub(r"(?m)^  table: .*$", f"  table: {table}", settings.read_text()))
    source.watch(table, "data/table")
    stage.main()
    return pd.read_csv("data/series.csv"), capsys.readouterr().out


INFERRED = [0] * 8, "series: 1 among 8 images, inferred\nCyst 1, Stone 1\n"


@pytest.mark.parametrize(
    ("table", "patients", "expected", "said"),
    [
        ("archive", "aabbccdd", [0, 0, 1, 1, 2, 2, 3, 3], "series: 4 among 8 images, known\nCyst 2, Stone 2\n"),
        ("mine.csv", "abababab", [0, 1] * 4, "series: 2 among 8 images, known\nCyst 2, Stone 2\n"),
        ("archive", "", *INFERRED),
        ("none", "aabbccdd", *INFERRED),
    ],
)
def test_series_are_known_from_a_table_or_else_inferred(project, capsys, table, patients, expected, said):
    images = pd.read_csv("data/images/index.csv")[["image"]][: len(patients)]
    path = {"archive": "data/images/patients.csv"}.get(table, "mine.csv")
    images.assign(series=list(patients)).to_csv(path, index=False)
    found, out = run(table, capsys)
    assert (found["series"].tolist(), out) == (expected, said)
    assert "inferred" in out or found["inferred"].tolist() == [0] * 8
    if table == "mine.csv":
        (project / "mine.csv").write_text("image,series\n")  # through the link: no other copy is read
        with pytest.raises(InputError, match=r"mine.csv: 8 image\(s\) of data/images/index.csv missing"):
            stage.main()


def test_the_published_table_knows_a_part_of_the_data_set_and_nothing_else(project, capsys):
    """There cyst 1 is a series of its own, cysts 2 to 4 are one, and so are stones 1 to 4."""
    found, out = run("published", capsys)
    assert found["series"].tolist() == [0, 1, 1, 1, 2, 2, 2, 2]
    assert "12,438 image(s) not used" in out
    index = pd.read_csv("data/images/index.csv")
    index.loc[3, "image"] = "Cyst/mine.png"
    index.to_csv("data/images/index.csv", index=False)
    with pytest.raises(InputError, match=r"^benchmark/series.csv: 1 image\(s\) of .* missing: Cyst/mine"):
        stage.main()
