"""One archive layout, whatever the source looks like."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from kidneyct.data import archive
from kidneyct.errors import InputError

CLASSES = ["Cyst", "Stone"]


def make_zip(path, names):
    with zipfile.ZipFile(path, "w") as container:
        for name in names:
            container.writestr(name, name)
    return path


def make_folder(path, names):
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return path


SOURCES = {
    "class folders alone": "",
    "one folder above": "data/",
    "as Kaggle's": f"{archive.ROOT}/",
}


@pytest.mark.parametrize("above", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("make", [make_zip, make_folder])
def test_sources_of_any_depth_end_in_one_layout(tmp_path, make, above):
    names = [f"{above}Stone/b.PNG", f"{above}Cyst/a (2).jpg", f"{above}Cyst/a (10).jpeg", f"{above}Cyst/notes.txt"]
    extra = ["kidneyData.csv", "masks/Cyst/a (2).png", f"{above}Other/c.jpg"]
    source = make(tmp_path / "source", names + extra)
    archive.write(tmp_path / "a.zip", archive.from_source(source, CLASSES))
    expected = ["Cyst/a (10).jpeg", "Cyst/a (2).jpg", "Stone/b.PNG"]
    found = archive.images(tmp_path / "a.zip", CLASSES)
    assert [entry.image for entry in found] == expected
    assert [entry.label for entry in found] == ["Cyst", "Cyst", "Stone"]
    with zipfile.ZipFile(tmp_path / "a.zip") as container:
        assert container.read(found[1].member).decode() == f"{above}Cyst/a (2).jpg"
        rest = set(container.namelist()) - {entry.member for entry in found}
    assert rest == {"kidneyData.csv", "masks/Cyst/a (2).png"}


def test_resource_forks_and_hidden_files_are_not_images(tmp_path):
    names = ["Cyst/a.jpg", "Stone/b.jpg", "__MACOSX/Cyst/._a.jpg", "__MACOSX/Stone/._b.jpg", "Cyst/.hidden.jpg"]
    found = archive.images(make_zip(tmp_path / "a.zip", names), CLASSES)
    assert [entry.member for entry in found] == ["Cyst/a.jpg", "Stone/b.jpg"]


def refused(source):
    with pytest.raises(InputError) as error:
        list(archive.from_source(source, CLASSES))
    assert "\n" not in str(error.value)
    assert str(source) in str(error.value)
    return str(error.value)


def test_a_missing_class_is_named(tmp_path):
    line = refused(make_folder(tmp_path / "source", ["Cyst/a.jpg", "Tumor/b.jpg", "Stone/readme.txt"]))
    assert "expected folders Cyst, Stone with images" in line
    assert "found Cyst, Tumor; Stone missing or empty; change data.classes or data.source" in line


def test_class_folders_in_two_places_are_ambiguous(tmp_path):
    names = [f"{place}/{label}/a.jpg" for place in ("train", "test") for label in CLASSES]
    assert "found them in test, train; keep one" in refused(make_folder(tmp_path / "source", names))


def test_nothing_there(tmp_path):
    assert "an absolute path" in refused(tmp_path / "nowhere")


def test_not_a_zip_and_a_truncated_one(tmp_path):
    (tmp_path / "text.zip").write_text("text")
    assert "truncated" in refused(tmp_path / "text.zip")
    whole = make_zip(tmp_path / "whole.zip", ["Cyst/a.jpg", "Stone/b.jpg"]).read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused(tmp_path / "half.zip")


def test_a_damaged_member(tmp_path):
    path = make_zip(tmp_path / "a.zip", ["Cyst/a.jpg", "Stone/b.jpg"])
    content = path.read_bytes()
    at = content.index(b"Stone/b.jpg", content.index(b"Stone/b.jpg") + 1)  # its content, behind its name
    path.write_bytes(content[:at] + b"x" + content[at + 1 :])
    assert "damaged" in refused(path)


def test_equal_members_are_equal_bytes_and_a_failure_leaves_no_archive(tmp_path):
    for name in ("a.zip", "b.zip"):
        archive.write(tmp_path / name, [("x", b"1"), ("y", b"2")])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()

    def breaks():
        yield "x", b"1"
        raise InputError("damaged")

    with pytest.raises(InputError):
        archive.write(tmp_path / "c.zip", breaks())
    assert not (tmp_path / "c.zip").exists()


def make_masks(path, masks):
    with zipfile.ZipFile(path, "w") as container:
        for name, mask in masks.items():
            buffer = io.BytesIO()
            Image.fromarray(mask).save(buffer, "PNG")
            container.writestr(f"masks/{name}.png", buffer.getvalue())
    return path


def test_masks_belong_to_images_by_name_and_no_mask_is_no_lesion(tmp_path):
    lesion = np.array([[0, 255], [0, 0]], np.uint8)
    path = make_masks(tmp_path / "a.zip", {"Cyst/a": lesion})
    found = archive.masks(path, ["Normal/a.jpg", "Cyst/a.jpg"])
    assert found.tolist() == [[[False, False], [False, False]], [[False, True], [False, False]]]
    assert archive.masks(path, ["Normal/a.jpg"]) is None
    assert archive.masks(make_zip(tmp_path / "b.zip", ["Cyst/a.jpg"]), ["Cyst/a.jpg"]) is None


def test_masks_of_several_sizes_are_refused(tmp_path):
    path = make_masks(tmp_path / "a.zip", {"Cyst/a": np.ones((2, 2), np.uint8), "Cyst/b": np.ones((2, 3), np.uint8)})
    with pytest.raises(InputError, match=r"masks of one size, found \(2, 2\), \(2, 3\)"):
        archive.masks(path, ["Cyst/a.jpg", "Cyst/b.jpg"])


def test_what_is_left_out_of_a_class_folder_is_named(tmp_path, capsys):
    source = make_folder(tmp_path / "source", ["Cyst/a.jpg", "Cyst/b.tif", "Cyst/more/c.jpg", "Stone/d.jpg", "e.txt"])
    members = dict(archive.from_source(source, CLASSES))
    assert set(members) == {f"{archive.ROOT}/Cyst/a.jpg", f"{archive.ROOT}/Stone/d.jpg"}
    said = capsys.readouterr().out
    assert "left out of the class folders Cyst/b.tif, Cyst/more/c.jpg: taken are .jpeg, .jpg, .png files" in said
    assert "e.txt" not in said


def test_a_locked_zip_is_one_line(tmp_path):
    path = make_zip(tmp_path / "a.zip", ["Cyst/a.jpg", "Stone/b.jpg"])
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1  # says that the member is encrypted
            at = content.find(signature, at + 1)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"can't be unpacked \(.*password.*\); pack it anew, without a password"):
        list(archive.from_source(path, CLASSES))


@pytest.mark.parametrize("links", [True, False])
def test_a_zip_that_lies_elsewhere_stays_there(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(archive.os, "link", refuse)
    source, place = make_zip(tmp_path / "fetched.zip", ["Cyst/1.jpg"]), tmp_path / "data/archive.zip"
    for _ in range(2):  # again, over what is there
        archive.take(source, place)
        assert source.read_bytes() == place.read_bytes()
        assert source.samefile(place) == links
    assert [path.name for path in place.parent.iterdir()] == ["archive.zip"]


def refuse(*_):
    raise OSError("no hard links on this file system")
