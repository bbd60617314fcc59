"""One archive layout, whatever the source looks like."""

import errno
import os
import socket
import stat
import unicodedata
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from kidneyct.images import archive, container
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import user_images

CLASSES = ["Cyst", "Stone"]


def make_zip(path, names):
    with zipfile.ZipFile(path, "w") as container:
        for name in names:
            container.writestr(name, name)
    return path


def make_folder(path, names):
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(name.encode(errors="surrogateescape"))
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
    archive.write(tmp_path / "a.zip", user_images.members(source, CLASSES))
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
        list(user_images.members(source, CLASSES))
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


def test_what_is_left_out_of_a_class_folder_is_named(tmp_path, capsys):
    source = make_folder(tmp_path / "source", ["Cyst/a.jpg", "Cyst/b.tif", "Cyst/more/c.jpg", "Stone/d.jpg", "e.txt"])
    members = dict(user_images.members(source, CLASSES))
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
        list(user_images.members(path, CLASSES))


def test_members_are_read_where_they_lie(tmp_path):
    """Without the zip's list of all; each as zipfile reads it, and damage and a lie about its size as there."""
    path, content = tmp_path / "a.zip", bytes(range(256)) * 40
    with zipfile.ZipFile(path, "w") as file:
        file.comment = b"behind the list"
        for name, method in (("a", zipfile.ZIP_STORED), ("b", zipfile.ZIP_DEFLATED), ("c", zipfile.ZIP_LZMA)):
            file.writestr(f"Cyst/{name}.jpg", content, method)
        file.writestr("Cyst/empty.jpg", b"", zipfile.ZIP_DEFLATED)
    path.write_bytes(b"something in front" + path.read_bytes())
    members = container.directory(path)
    with container.opened(path) as whole, container.opened_at(path, members) as some:
        assert some.names == whole.names
        for name in ("Cyst/a.jpg", "Cyst/b.jpg", "Cyst/empty.jpg"):
            assert some.read(name) == whole.read(name)
        with pytest.raises(
            InputError, match=r"c\.jpg: can't be unpacked \(neither stored nor deflated, or encrypted\)"
        ):
            some.read("Cyst/c.jpg")
    members["Cyst/b.jpg"].file_size -= 1
    with (
        container.opened_at(path, members) as some,
        pytest.raises(InputError, match=r"b\.jpg: damaged \(Bad CRC-32 for file 'Cyst/b\.jpg'\); fetch it again"),
    ):
        some.read("Cyst/b.jpg")


def test_members_are_read_by_several_threads_at_once(tmp_path):
    path, contents = tmp_path / "a.zip", {f"Cyst/{n}.jpg": bytes([n]) * (1000 + 500 * n) for n in range(200)}
    archive.write(path, contents.items())
    with container.opened_at(path, container.directory(path)) as some, ThreadPoolExecutor(8) as pool:
        assert dict(zip(contents, pool.map(some.read, contents), strict=True)) == contents


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


BOTH = ["Cyst/a.jpg", "Stone/b.jpg"]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    make_zip(tmp_path / "b.zip", BOTH)
    monkeypatch.setattr(archive.zipfile.ZipFile, "writestr", full)
    with pytest.raises(InputError, match=r"a\.zip: expected room on the disk, found [\d,]+ MiB free in .*; free some"):
        archive.write(tmp_path / "a.zip", [("x", b"1")])
    monkeypatch.setattr(archive.os, "link", full)
    monkeypatch.setattr(archive.shutil, "copyfile", full)
    with pytest.raises(InputError, match="expected room on the disk"):
        archive.take(tmp_path / "b.zip", tmp_path / "a.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]


def test_a_failure_leaves_no_draft(tmp_path):
    def breaks():
        yield "x", b"1"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.write(tmp_path / "c.zip", breaks())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [*BOTH, "Cyst/a.jpg"])
    assert "expected different names, found Cyst/a.jpg more than once" in refused(path)
    with pytest.raises(InputError, match=r"found Cyst/a\.jpg more than once"):
        archive.images(path, CLASSES)
    assert "'Cyst/a.jpg', 'Cyst/a.jpg', which look the same" in refused(
        make_zip(tmp_path / "b.zip", [*BOTH, "Cyst//a.jpg"])
    )


def test_two_names_that_look_the_same_are_refused(tmp_path):
    names = [f"Cyst/{unicodedata.normalize(form, 'é')}.jpg" for form in ("NFC", "NFD")]
    line = refused(make_zip(tmp_path / "a.zip", [*BOTH, *names]))
    assert r"found 'Cyst/e\u0301.jpg', 'Cyst/\xe9.jpg', which look the same; rename one" in line


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\udcff", "\\"])
def test_a_name_that_no_line_can_hold_is_told_in_one(tmp_path, character):
    line = refused(make_folder(tmp_path / "source", [*BOTH, f"Cyst/a{character}.jpg"]))
    assert f"expected names that can be printed, without \\, found {f'Cyst/a{character}.jpg'!r}; rename it" in line
    assert line.isprintable()


def test_a_name_that_is_too_long_for_a_file(tmp_path):
    line = refused(make_zip(tmp_path / "a.zip", [*BOTH, f"Cyst/{'é' * 126}.jpg"]))
    assert "expected names up to 255 bytes, found Cyst/éé" in line
    assert archive.images(make_zip(tmp_path / "b.zip", [*BOTH, f"Cyst/{'é' * 125}.jpg"]), CLASSES)


def test_a_zip_as_windows_writes_it(tmp_path):
    names = ["data\\Cyst\\a.jpg", "data\\Stone\\", "data\\Stone\\b.jpg", "data\\masks\\Cyst\\a.png"]
    members = dict(user_images.members(make_zip(tmp_path / "a.zip", names), CLASSES))
    assert members == {
        f"{archive.ROOT}/Cyst/a.jpg": b"data\\Cyst\\a.jpg",
        f"{archive.ROOT}/Stone/b.jpg": b"data\\Stone\\b.jpg",
        "masks/Cyst/a.png": b"data\\masks\\Cyst\\a.png",
    }


@pytest.mark.parametrize("name", ["../Cyst/c.jpg", "masks/../../c.png", "/etc/Cyst/c.jpg", "C:\\Cyst\\c.jpg"])
def test_a_zip_that_points_out_of_itself(tmp_path, name):
    shown = name.replace("\\", "/")
    assert f"expected files inside the zip, found {shown}; pack it anew" in refused(
        make_zip(tmp_path / "a.zip", [*BOTH, name])
    )


def test_links_in_a_zip_are_not_followed(tmp_path):
    path = make_zip(tmp_path / "a.zip", BOTH)
    info = zipfile.ZipInfo("Stone/c.jpg")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(info, "/etc/passwd")
    assert "Stone/c.jpg: expected a file, found a link or a device; pack the files themselves" in refused(path)


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", BOTH)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("Stone/c.jpg", bytes(2 * 2**20))
    assert "Stone/c.jpg: expected an image, found 2,097,152 bytes packed into 2,0" in refused(path)
    monkeypatch.setattr(container, "LARGEST", 2**20)
    assert "Stone/c.jpg: expected an image, found 2 MiB; remove it" in refused(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_that_a_decompressor_finds(tmp_path, method):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        for name in BOTH:
            file.writestr(name, os.urandom(999))
        start = file.infolist()[1].header_offset + 30 + len(BOTH[1])
    content = bytearray(path.read_bytes())
    content[start + 20 : start + 500] = bytes(480)
    path.write_bytes(content)
    assert "Stone/b.jpg: damaged (" in refused(path)


def test_a_compression_that_is_not_known(tmp_path):
    path = make_zip(tmp_path / "a.zip", BOTH)
    path.write_bytes(
        path.read_bytes()
        .replace(b"PK\x03\x04\x14\0\0\0\0\0", b"PK\x03\x04\x14\0\0\0\x63\0")
        .replace(b"PK\x01\x02\x14\x03\x14\0\0\0\0\0", b"PK\x01\x02\x14\x03\x14\0\0\0\x63\0")
    )
    assert "can't be unpacked (That compression method is not supported); pack it anew" in refused(path)


@pytest.mark.parametrize("of", ["zip", "folder", "file"])
def test_what_may_not_be_read_is_not_called_truncated(tmp_path, monkeypatch, of):
    source = make_zip(tmp_path / "a.zip", BOTH) if of == "zip" else make_folder(tmp_path / "source", BOTH)

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    target = {"zip": (container.zipfile, "ZipFile"), "folder": (container.os, "scandir")}
    monkeypatch.setattr(*target.get(of, (container.Path, "read_bytes")), denied)
    line = refused(source)
    assert "can't be read (Permission denied)" in line
    assert "truncated" not in line


def test_a_source_that_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "expected a folder or zip, found a named pipe" in refused(tmp_path / "pipe")
    assert "/dev/zero: expected a folder or zip, found a device" in refused("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        assert "expected a folder or zip, found a socket" in refused(tmp_path / "socket")


@pytest.mark.parametrize(("path", "reason"), [("x" * 5000, "File name too long"), ("a\0b", "embedded null byte")])
def test_a_source_that_is_no_path(path, reason):
    with pytest.raises(InputError) as caught:
        list(user_images.members(path, CLASSES))
    line = str(caught.value)
    assert f"expected a folder or zip, found what can't be opened ({reason})" in line
    assert line.isprintable()
    assert len(line) < 400


def test_a_pipe_or_broken_link_among_images_is_named(tmp_path):
    source = make_folder(tmp_path / "source", BOTH)
    os.mkfifo(source / "Cyst/pipe.png")
    assert "Cyst/pipe.png: expected an image's file, found a named pipe" in refused(source)
    (source / "Cyst/pipe.png").unlink()
    (source / "Cyst/link.png").symlink_to("nowhere")
    assert "Cyst/link.png: expected an image's file, found no such file" in refused(source)
    (source / "Cyst/link.png").unlink()
    (source / "Cyst/link.png").symlink_to("link.png")
    assert "Too many levels of symbolic links" in refused(source)


def test_links_to_folders_are_followed_once(tmp_path):
    source = make_folder(tmp_path / "source", ["Cyst/a.jpg"])
    make_folder(tmp_path / "elsewhere", ["b.jpg"])
    (source / "Stone").symlink_to(tmp_path / "elsewhere")
    (source / "again").symlink_to(".")
    (source / "Cyst/up").symlink_to(source)
    members = dict(user_images.members(source, CLASSES))
    assert set(members) == {f"{archive.ROOT}/Cyst/a.jpg", f"{archive.ROOT}/Stone/b.jpg"}


def test_two_files_for_one_place_beside_the_images(tmp_path):
    names = [*BOTH, "masks/Cyst/a.png", "more/masks/Cyst/a.png"]
    line = refused(make_zip(tmp_path / "a.zip", names))
    assert "expected one masks/Cyst/a.png, found masks/Cyst/a.png and more/masks/Cyst/a.png" in line
