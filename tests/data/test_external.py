"""The external test set's archive: which folders count, what is refused, and an empty one where there is none."""

import os

import ct
import pytest

from kidneyct.images import archive, container
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import external

CLASSES = ["Cyst", "Normal", "Stone"]


def folder(path, names):
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(name.encode())
    return path


def refused(source):
    with pytest.raises(InputError) as caught:
        list(external.members(str(source), CLASSES))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_none_is_an_empty_archive(tmp_path):
    archive.write(tmp_path / "a.zip", external.members("none", CLASSES))
    with container.opened(tmp_path / "a.zip") as opened:
        assert opened.names == []
    assert external.images(tmp_path / "a.zip", CLASSES) == []


def test_a_class_may_be_missing(tmp_path):
    source = folder(tmp_path / "theirs", ["deep/Stone/b.png", "deep/Cyst/a.jpg", "masks/Cyst/a.png"])
    archive.write(tmp_path / "a.zip", external.members(str(source), CLASSES))
    found = external.images(tmp_path / "a.zip", CLASSES)
    assert [entry.image for entry in found] == ["Cyst/a.jpg", "Stone/b.png"]
    with container.opened(tmp_path / "a.zip") as opened:
        assert opened.read(found[1].member) == b"deep/Stone/b.png"


def test_an_unknown_folder_may_be_what_is_missing(tmp_path):
    line = refused(folder(tmp_path / "theirs", ["Cyst/a.jpg", "normal/b.jpg", "Kidney stones/c.jpg", "Normal/x.txt"]))
    assert line == (
        f"{tmp_path / 'theirs'}: expected folders with the names of data.classes, found Kidney stones, normal and none "
        "of Normal, Stone; rename each to the class that it holds, or take it out"
    )


def test_so_may_an_unknown_folder_of_dicom_files(tmp_path):
    files = {"Cyst/a": ct.file(), "normal/b": ct.file(ct.RAMP + 1)}
    line = refused(ct.put(tmp_path / "theirs", files))
    assert line == (
        f"{tmp_path / 'theirs'}: expected folders with the names of data.classes, found normal and none of Normal, "
        "Stone; rename each to the class that it holds, or take it out"
    )
    (tmp_path / "theirs/normal/b").unlink()
    members = [name for name, _ in external.members(str(tmp_path / "theirs"), CLASSES)]
    assert [name.split("/")[-2] for name in members[:-1]] == ["Cyst"]
    assert members[-1] == archive.PATIENTS


def test_an_unknown_folder_beside_all_classes_is_left_out_and_named(tmp_path, capsys):
    source = folder(tmp_path / "theirs", [f"{label}/a.jpg" for label in [*CLASSES, "Other"]])
    assert [name.split("/")[-2] for name, _ in external.members(str(source), CLASSES)] == CLASSES
    assert capsys.readouterr().out == f"{source}: left out Other: no class of data.classes\n"


def test_what_is_no_external_test_set_is_refused_in_a_line(tmp_path):
    line = refused(folder(tmp_path / "theirs", ["Other/a.jpg", "readme.txt"]))
    assert "expected some of the folders Cyst, Normal, Stone with images (.jfif, .jpeg, .jpg, .png)" in line
    assert line.endswith(
        "found Other; Cyst, Normal, Stone missing or empty; other files lie there, 1 of .txt: unpack archives, and "
        "save pictures as PNG or DICOM; change data.classes or data.external"
    )
    line = refused(tmp_path / "nowhere")
    assert line.startswith("data.external: expected none, or the path of a folder or zip, found nothing at ")
    two = folder(tmp_path / "two", ["train/Cyst/a.jpg", "test/Stone/b.jpg"])
    assert "in one place, found them in test, train; keep one" in refused(two)
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").endswith("pipe: expected a folder or zip, found a pipe or a device")
