"""One archive layout, whatever the source looks like."""

import errno
import os
import unicodedata
import zipfile
from unittest.mock import Mock

import ct
import pytest

from kidneyct.images import archive, container
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import user_images

CLASSES = ["Cyst", "Stone"]
BOTH = ["Cyst/a.jpg", "Stone/b.jpg"]


def make_zip(path, names, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as container:
        for name in names:
            container.writestr(name, name)
    return path


def make_windows_zip(path, names):
    with zipfile.ZipFile(path, "w") as container:
        for name in ["Stone/", *names]:
            container.writestr(name.replace("/", "\\"), name)
    return path


def make_folder(path, names):
    return ct.put(path, {name: name.encode(errors="surrogateescape") for name in names})


def refused(source):
    with pytest.raises(InputError) as error:
        list(user_images.members(source, CLASSES))
    assert str(error.value).isprintable()
    assert str(source) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("above", ["", f"{archive.ROOT}/"])
@pytest.mark.parametrize("make", [make_zip, make_folder, make_windows_zip])
def test_sources_of_any_depth_end_in_one_layout(tmp_path, make, above, capsys):
    names = [f"{above}Stone/b.PNG", f"{above}Cyst/a (2).jpg", f"{above}Cyst/a (10).jpeg", f"{above}Cyst/notes.txt"]
    names += ["kidneyData.csv", "masks/Cyst/a (2).png", f"{above}Other/c.jpg", f"{above}Cyst/more/d.jpg"]
    names += ["__MACOSX/Cyst/._a.jpg", "__MACOSX/Stone/._b.jpg", f"{above}Cyst/.hidden.jpg"]
    source = make(tmp_path / "source", names)
    archive.write(tmp_path / "a.zip", user_images.members(source, CLASSES))
    said = ", ".join(f"{above}Cyst/{name}" for name in (".hidden.jpg", "more/d.jpg", "notes.txt"))
    assert f"left out of the class folders {said}: taken are .jfif, .jpeg, .jpg, .png files" in capsys.readouterr().out
    expected = ["Cyst/a (10).jpeg", "Cyst/a (2).jpg", "Stone/b.PNG"]
    found = archive.images(tmp_path / "a.zip", CLASSES)
    assert [entry.image for entry in found] == expected
    assert [entry.label for entry in found] == ["Cyst", "Cyst", "Stone"]
    with zipfile.ZipFile(tmp_path / "a.zip") as container:
        assert container.read(found[1].member).decode() == f"{above}Cyst/a (2).jpg"
        rest = set(container.namelist()) - {entry.member for entry in found}
    assert rest == {"kidneyData.csv", "masks/Cyst/a (2).png"}


def test_class_folders_that_are_missing_or_in_two_places(tmp_path):
    line = refused(make_folder(tmp_path / "source", ["Cyst/a.jpg", "Tumor/b.jpg", "Stone/readme.txt"]))
    assert "expected folders Cyst, Stone with images (.jfif, .jpeg, .jpg, .png) directly in them, side" in line
    assert "found Cyst, Tumor; Stone missing or empty; other files lie there, 1 of .txt: unpack archives" in line
    assert "; change data.classes or data.source, or give a table" in line
    names = ["Cyst/a.jfif", "Stone/1.2.nii.gz", "Stone/1.3.nii.gz", "Stone/x.bmp", "patient.zip"]
    line = refused(make_folder(tmp_path / "instead", names))
    assert "other files lie there, 2 of .gz, 1 of .bmp, 1 of .zip: unpack archives, and save" in line
    names = [f"{place}/{label}/a.jpg" for place in ("train", "test") for label in CLASSES]
    assert "found them in test, train; give the path of one" in refused(make_folder(tmp_path / "two", names))


def test_class_folders_that_look_alike(tmp_path, capsys):
    """An accent may be written in two ways; other names that are like a class's are named."""
    one, two = (unicodedata.normalize(form, "Nièr") for form in ("NFC", "NFD"))
    names = [f"{one}/a.jpg", f"{two}/b.jpg", "Cyst/a.jpg", "cyst/a.jpg", "Cyst /a.jpg", "Cysts/a.jpg"]
    source = make_folder(tmp_path / "source", names)
    for classes in (["Cyst", one], ["Cyst", two]):
        members = dict(user_images.members(source, classes))
        assert set(members) == {
            f"{archive.ROOT}/{name}" for name in ("Cyst/a.jpg", f"{classes[1]}/a.jpg", f"{classes[1]}/b.jpg")
        }
        assert capsys.readouterr().out == f"{source}: left out Cyst , Cysts, cyst: no class of data.classes\n"


def test_names_in_a_zip_that_does_not_say_how_they_are_written(tmp_path):
    path = tmp_path / "a.zip"
    for name, encoding in (("é/a", "utf-8"), ("é/a", "cp437"), ("肾囊肿/a", "gbk"), ("é/a", "latin-1")):
        written = name.encode(encoding)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x" * len(written), b"1")
        path.write_bytes(path.read_bytes().replace(b"x" * len(written), written))
        if encoding in ("gbk", "latin-1"):
            assert "expected names in UTF-8, found " in refused(path)
        else:
            with container.opened(path) as opened:
                assert (opened.names, opened.read(name)) == ([name], b"1")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("more/masks/Cyst/a.png", "expected one masks/Cyst/a.png, found masks/Cyst/a.png and more/masks/Cyst/a.png"),
        ("Cyst/\xe9.jpg", r"found 'Cyst/e\u0301.jpg', 'Cyst/\xe9.jpg', which look the same; rename one"),
        ("Cyst/a.jpg", "expected different names, found Cyst/a.jpg twice; keep one"),
        ("Cyst//a.jpg", "'Cyst//a.jpg', 'Cyst/a.jpg', which look the same; rename one"),
        ("../Cyst/c.jpg", "expected files inside the zip, found ../Cyst/c.jpg; pack it again"),
        ("masks/../../c.png", "expected files inside the zip, found masks/../../c.png; pack it again"),
        ("/etc/Cyst/c.jpg", "expected files inside the zip, found /etc/Cyst/c.jpg; pack it again"),
        ("C:\\Cyst\\c.jpg", "expected files inside the zip, found C:/Cyst/c.jpg; pack it again"),
    ],
)
def test_names_that_will_not_do(tmp_path, name, line):
    assert line in refused(make_zip(tmp_path / "a.zip", [*BOTH, "Cyst/e\u0301.jpg", "masks/Cyst/a.png", name]))


@pytest.mark.parametrize("character", ["\n", "\x1b", "\x85", "\u2028", "\u202e", "\udcff", "\\"])
def test_a_name_that_no_line_can_hold_is_told_in_one(tmp_path, character):
    line = refused(make_folder(tmp_path / "source", [*BOTH, f"Cyst/a{character}.jpg"]))
    assert f"expected names that can be printed, without \\, found {f'Cyst/a{character}.jpg'!r}; rename it" in line


def test_damage_is_one_line(tmp_path):
    path = tmp_path / "a.zip"
    whole = make_zip(path, BOTH).read_bytes()
    at = whole.index(b"Stone/b.jpg", whole.index(b"Stone/b.jpg") + 1)  # its content, behind its name
    packed = make_zip(path, BOTH, zipfile.ZIP_DEFLATED).read_bytes()
    entry = whole.index(b"PK\1\2")  # Cyst/a.jpg in the list, behind which stand its flags: encrypted
    for content, line in (
        (b"text", "no zip, or a truncated one"),
        (whole[: len(whole) // 2], "no zip, or a truncated one"),
        (whole[:at] + b"x" + whole[at + 1 :], "Stone/b.jpg: can't be unpacked (Bad CRC-32"),
        (packed[:40] + b"\xff" + packed[41:], "Cyst/a.jpg: can't be unpacked (Error -3 while decompressing"),
        (
            whole[: entry + 8] + b"\1" + whole[entry + 9 :],
            "encrypted, password required for extraction); fetch or pack",
        ),
    ):
        path.write_bytes(content)
        assert line in refused(path)


def test_what_is_too_large_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "LARGEST", 2**20)
    path = make_zip(tmp_path / "a.zip", BOTH)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Stone/c.jpg", bytes(2 * 2**20))
    assert "Stone/c.jpg: expected an image, found 2 MiB; remove it" in refused(path)


@pytest.mark.parametrize(
    "reader", [(container.zipfile, "ZipFile"), (container.os, "scandir"), (container.Path, "read_bytes")]
)
def test_what_may_not_be_read_is_not_called_truncated(tmp_path, monkeypatch, reader):
    make = make_zip if reader[1] == "ZipFile" else make_folder
    source = make(tmp_path / "source", BOTH)
    error = PermissionError(errno.EACCES, "Permission denied", str(source))
    monkeypatch.setattr(*reader, Mock(side_effect=error))
    assert "can't be read (Permission denied)" in refused(source)


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "expected a folder or zip, found a pipe or a device" in refused(tmp_path / "pipe")
    for nothing in (tmp_path / "nowhere", "x" * 280):
        assert "found nothing at" in refused(nothing)
    source = make_folder(tmp_path / "source", BOTH)
    os.mkfifo(source / "Cyst/pipe.png")
    assert "Cyst/pipe.png: expected a file, found a pipe or a device" in refused(source)
    (source / "Cyst/pipe.png").unlink()
    (source / "Cyst/link.png").symlink_to("nowhere")
    assert "Cyst/link.png: can't be read (No such file or directory)" in refused(source)


def test_folders_that_are_links_are_followed_once(tmp_path):
    make_folder(tmp_path / "elsewhere", ["b.jpg"])
    source = make_folder(tmp_path / "source", ["Cyst/a.jpg"])
    (source / "Stone").symlink_to(tmp_path / "elsewhere")
    (source / "Again").symlink_to(".")
    (source / "Cyst/up").symlink_to(source)
    with container.opened(source) as opened:
        assert opened.names == BOTH


def test_equal_members_are_equal_bytes_with_one_table_of_patients(tmp_path):
    for name in ("a.zip", "b.zip"):
        archive.write(tmp_path / name, [("x", b"1"), ("y/patients.csv", b"2")])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert archive.patients(tmp_path / "a.zip") == b"2"
    archive.write(tmp_path / "a.zip", [("x/patients.csv", b"1"), ("patients.csv", b"2")])
    with pytest.raises(InputError, match=r"expected one patients.csv, found patients.csv, x/patients.csv; keep one"):
        archive.patients(tmp_path / "a.zip")


def test_a_zip_that_lies_elsewhere_stays_there(tmp_path):
    source, place = make_zip(tmp_path / "fetched.zip", ["Cyst/1.jpg"]), tmp_path / "data/archive.zip"
    for _ in range(2):  # again, over what is there
        archive.link_or_copy(source, place)
        assert source.samefile(place)
    assert os.listdir(place.parent) == ["archive.zip"]
