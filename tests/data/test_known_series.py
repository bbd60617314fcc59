"""A table of known series: what is read, what is refused in which line, and how inference is judged by it."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages import series as stage

from kidneyct.images import archive
from kidneyct.pipeline.errors import InputError
from kidneyct.series import known_series
from kidneyct.sources import phantom, source

IMAGES = ["Cyst/a.png", "Cyst/b.png", "Stone/a b.png", "Stone/c.png"]
ROWS = {"Stone/c.png": "p2", "Cyst/a.png": "p2", "Cyst/b.png": "p1", "Stone/a b.png": "p2"}


def written(rows=ROWS, line="{},{}", end="\n"):
    pairs = rows.items() if isinstance(rows, dict) else rows
    return "".join(text + end for text in ["image,series", *(line.format(*pair) for pair in pairs)]).encode()


def numbers(content, rejected=()):
    return known_series.numbers(known_series.parse(content, "t.csv"), IMAGES, list(rejected), "t.csv").tolist()


def complaint(content, rejected=()):
    with pytest.raises(InputError) as caught:
        numbers(content, rejected)
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


def test_names_are_text():
    rows = dict(zip(IMAGES, ["1", "01", "NA", "1.0"], strict=True))
    assert numbers(written(rows)) == [0, 1, 2, 3]
    accents = dict(zip(IMAGES, ["é", "e\u0301", "x", "x"], strict=True))
    assert numbers(written(accents)) == [0, 0, 1, 1]


def test_images_left_out_as_unreadable_may_be_named():
    content = written(ROWS | {"Cyst/broken.png": "p3"})
    assert numbers(content, ["Cyst/broken.png"]) == [0, 1, 0, 0]
    assert complaint(content).startswith(
        "t.csv: 1 image that data/images/index.csv does not have: Cyst/broken.png; correct"
    )


def test_images_of_classes_that_are_not_used_are_named_and_left_out(capsys):
    assert numbers(written(ROWS | {"Tumor/a.png": "p3", "Tumor/b.png": "p3"})) == [0, 1, 0, 0]
    expected = "t.csv: 2 images in folders that are no class here, not used: Tumor/a.png, Tumor/b.png\n"
    assert capsys.readouterr().out == expected


def test_every_kind_of_fault_is_a_line_with_its_count():
    rows = [*ROWS.items(), ("Cyst/a.png", "p2"), ("", "p9"), ("Cyst/nowhere.png", "p1")]
    rows = [(image, "" if image == "Stone/c.png" else name) for image, name in rows if image != "Cyst/b.png"]
    assert complaint(written(rows)).splitlines() == [
        "t.csv: 1 line without the name of an image: series p9",
        "t.csv: 1 image with an empty name of the series: Stone/c.png",
        "t.csv: 1 image twice or more: Cyst/a.png",
        "t.csv: 1 image that data/images/index.csv does not have: Cyst/nowhere.png",
        "t.csv: 1 image of data/images/index.csv missing: Cyst/b.png; correct the table, or set series.table: none",
    ]


def test_of_many_names_the_first_are_told():
    found = complaint(written(ROWS | {f"Cyst/{number}.png": "p" for number in range(1234)}))
    assert found.startswith(
        "t.csv: 1,234 images that data/images/index.csv does not have: Cyst/0.png, Cyst/1.png, Cyst/2.png, Cyst/3.png, "
        "Cyst/4.png and 1229 more;"
    )


@pytest.mark.parametrize(
    ("name", "meant", "told"),
    [
        ("b.png", "Cyst/b.png", "Cyst/b.png, not b.png"),
        ("scans/Cyst/b.png", "Cyst/b.png", "Cyst/b.png, not scans/Cyst/b.png"),
        ("Cyst\\b.png", "Cyst/b.png", "Cyst/b.png, not Cyst\\b.png"),
        ("Cyst/b.dcm", "Cyst/b.png", "Cyst/b.png, not Cyst/b.dcm"),
        ("cyst/B.PNG", "Cyst/b.png", "Cyst/b.png, not cyst/B.PNG"),
        ("Cyst/b.png ", "Cyst/b.png", "'Cyst/b.png', not 'Cyst/b.png '"),
    ],
)
def test_a_near_miss_is_told(name, meant, told):
    rows = {name if image == meant else image: series for image, series in ROWS.items()}
    last = complaint(written(rows)).splitlines()[-1]
    assert (
        last
        == f"t.csv: 1 image of data/images/index.csv missing: {meant}; names are those of data/images/index.csv, "
        + (f"letter by letter: {told}")
    )


UNREADABLE = {
    b"": "t.csv: expected the columns image,series, found an empty file; ",
    b"image;series\nCyst/a.png;1\n": "t.csv: expected the columns image and series once each in its first line, "
    "found image;series; ",
    b"image,label\n": "t.csv: expected the columns image and series once each in its first line, found image, label; ",
    b"image,series,series\n": "t.csv: expected the columns image and series once each in its first line, "
    "found image, series, series; ",
    b"PK\x03\x04\xff\x00": "t.csv: expected text in UTF-8, found a zip or a workbook at byte 4; ",
    "image,series\nCyst/é.png,1\n".encode("latin-1"): "t.csv: expected text in UTF-8, found the byte 0xe9 at byte 18; ",
    "image,series\n".encode("utf-16"): "t.csv: expected text in UTF-8, found the byte 0xff at byte 0; ",
    b"image,series\nCyst/\0a.png,1\n": "t.csv: expected text, found a zero byte; ",
    b"image,series\na,b\nCyst/a,b.png,1\n": "t.csv: expected lines of as many values as the first, found none "
    "(Expected 2 fields in line 3, saw 3); ",
    b'image,series\n"Cyst/a.png,1\n': "t.csv: expected lines of as many values as the first, found none (EOF inside "
    "string starting at row 1); ",
}


@pytest.mark.parametrize("content", UNREADABLE)
def test_what_is_no_such_table_is_told_in_a_line(content):
    found = complaint(content)
    assert found.startswith(UNREADABLE[content] + "save it as CSV, UTF-8, with commas")
    assert "\n" not in found


def test_agreement_by_hand():
    # Inferred {1,2,3,4} holds known a, a, a, b; {5,6} holds b, b. Pairs together: in both 3 + 1, known 3 + 3, inferred
    # 6 + 1, of 15. By chance 6 · 7 / 15 = 2.8, so (4 - 2.8) / ((6 + 7) / 2 - 2.8) = 1.2 / 3.7. Purity (3 + 2) / 6.
    found = known_series.agreement(list("aaabbb"), [7, 7, 7, 7, 3, 3])
    assert found == {
        "known": 2,
        "inferred": 2,
        "adjusted_rand_index": pytest.approx(1.2 / 3.7),
        "purity": pytest.approx(5 / 6),
    }
    cut = known_series.agreement([0, 0, 1, 1], [0, 1, 2, 2])  # in both 1, known 2, inferred 1, of 6: 1/3 by chance
    assert (cut["known"], cut["inferred"], cut["purity"]) == (2, 3, 1)
    assert cut["adjusted_rand_index"] == pytest.approx((1 - 1 / 3) / (1.5 - 1 / 3))
    assert known_series.agreement([5, 5, 9], [0, 0, 1])["adjusted_rand_index"] == 1


@pytest.fixture
def project(tmp_path, monkeypatch):
    """What the stage reads: thumbnails that are one series, and a phantom's patients.csv."""
    for name in ("params.yaml", "dvc.yaml", "benchmark/series.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    members = dict(phantom.members(["Cyst", "Stone"], 2, 2, seed=0))
    images = [name.removeprefix(f"{archive.ROOT}/") for name in members if name.startswith(archive.ROOT)]
    (tmp_path / "data/images").mkdir(parents=True)
    index = pd.DataFrame({"image": images, "label": [name.split("/")[0] for name in images], "width": 1, "height": 1})
    index.assign(sha256=list("abcdefgh")).to_csv("data/images/index.csv", index=False)
    pd.DataFrame(columns=["image", "label", "reason"]).to_csv("data/images/rejected.csv", index=False)
    np.save(
        "data/images/thumbnails.npy", np.repeat(np.random.default_rng(0).integers(0, 256, (1, 25, 25), np.uint8), 8, 0)
    )
    archive.write("data/archive.zip", members.items())
    (tmp_path / "data/images/patients.csv").write_bytes(archive.patients("data/archive.zip"))
    return tmp_path


def run(table, capsys):
    settings = Path("params.yaml")
    settings.write_text(re.sub(r"(?m)^  table: .*$", f"  table: {table}", settings.read_text()))
    source.watch(table, "data/table")
    stage.main()
    return pd.read_csv("data/series.csv"), capsys.readouterr().out


def test_phantom_patients_are_known(project, capsys):
    found, out = run("archive", capsys)
    assert found["series"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found["inferred"].tolist() == [0] * 8
    assert out == "series: 4 among 8 images, known\nCyst 2, Stone 2\n"


def test_series_are_inferred_where_that_is_asked_or_none_are_known(project, capsys):
    for table, patients in (("none", "image,series\nx,y\n"), ("archive", "image,series\n")):
        (project / "data/images/patients.csv").write_text(patients)
        found, out = run(table, capsys)
        assert found.columns.tolist() == ["image", "series"]
        assert found["series"].tolist() == [0] * 8
        assert out == "series: 1 among 8 images, inferred\nCyst 1, Stone 1\n"


def test_a_table_of_the_users_own(project, capsys):
    images = pd.read_csv("data/images/index.csv")["image"]
    (project / "mine.csv").write_text(
        "image,series\n" + "".join(f"{image},{at % 2}\n" for at, image in enumerate(images))
    )
    found, _ = run("mine.csv", capsys)
    assert found["series"].tolist() == [0, 1] * 4
    (project / "mine.csv").write_text("image,series\n")  # through the link: no other copy is read
    with pytest.raises(InputError, match=r"mine.csv: 8 images of data/images/index.csv missing"):
        stage.main()


def test_the_published_table_knows_a_part_of_the_data_set_and_nothing_else(project, capsys):
    """There cyst 1 is a series of its own, cysts 2 to 4 are one, and so are stones 1 to 4."""
    found, out = run("published", capsys)
    assert found["series"].tolist() == [0, 1, 1, 1, 2, 2, 2, 2]
    assert found["inferred"].tolist() == [0] * 8
    assert out.startswith("series: 3 among 8 images, known\n")
    index = pd.read_csv("data/images/index.csv")
    index.loc[3, "image"] = "Cyst/mine.png"
    index.to_csv("data/images/index.csv", index=False)
    with pytest.raises(InputError) as caught:
        stage.main()
    assert str(caught.value) == (
        "benchmark/series.csv: knows the images of Kaggle's data set alone, not 1 of the 8 here: Cyst/mine.png; set "
        "series.table: archive, none or the path of a table of your own"
    )


def test_a_fault_of_the_archives_table_names_it(project, capsys):
    (project / "data/images/patients.csv").write_text("image,patient\n")
    with pytest.raises(InputError, match=r"data/archive.zip: patients.csv: expected the columns image and series"):
        run("archive", capsys)


def test_an_archive_has_one_table_or_none(tmp_path):
    archive.write(tmp_path / "a.zip", [("Cyst/a.png", b"")])
    assert archive.patients(tmp_path / "a.zip") == b"image,series\n"
    archive.write(tmp_path / "b.zip", [("x/patients.csv", b"1"), ("patients.csv", b"2")])
    with pytest.raises(InputError, match=r"expected one patients.csv, found patients.csv, x/patients.csv; keep one"):
        archive.patients(tmp_path / "b.zip")
