"""Decoding into arrays and the index."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from kidneyct.data import archive, images
from kidneyct.errors import InputError


def png(array, mode=None):
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, "PNG")
    return buffer.getvalue()


def make_archive(path, files):
    archive.write(path, [(f"{archive.ROOT}/{name}", content) for name, content in files.items()])
    return path


def test_rows_follow_the_sorted_names(tmp_path):
    dark, light = np.zeros((50, 100), np.uint8), np.full((50, 50, 3), 200, np.uint8)
    path = make_archive(tmp_path / "a.zip", {"Stone/b.png": png(light), "Cyst/a.png": png(dark)})
    entries = archive.images(path, ["Cyst", "Stone"])
    index = images.preprocess(path, entries, 32, tmp_path / "i.npy", tmp_path / "t.npy")

    assert index.drop(columns="sha256").values.tolist() == [
        ["Cyst/a.png", "Cyst", 100, 50],
        ["Stone/b.png", "Stone", 50, 50],
    ]
    assert index["sha256"][0] == hashlib.sha256(png(dark)).hexdigest()
    tensors, thumbnails = np.load(tmp_path / "i.npy"), np.load(tmp_path / "t.npy")
    assert (tensors.shape, thumbnails.shape) == ((2, 32, 32, 3), (2, 25, 25))
    assert (tensors.dtype, thumbnails.dtype) == (np.uint8, np.uint8)
    assert [np.unique(tensors[row]).tolist() for row in (0, 1)] == [[0], [200]]
    assert [np.unique(thumbnails[row]).tolist() for row in (0, 1)] == [[0], [200]]


def test_a_thumbnail_holds_block_means():
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)
    means = pixels.reshape(25, 4, 25, 4).mean(axis=(1, 3))
    thumbnail = images.thumbnail(Image.fromarray(pixels).convert("RGB"))
    assert np.abs(thumbnail - means).max() <= 1


def test_every_unreadable_image_is_named(tmp_path):
    good = png(np.zeros((40, 40), np.uint8))
    deep = png(np.zeros((40, 40), np.uint16))
    files = {"Cyst/a.png": good, "Cyst/b.png": b"text", "Stone/c.png": good[:40], "Stone/d.png": deep}
    path = make_archive(tmp_path / "a.zip", files)
    entries = archive.images(path, ["Cyst", "Stone"])
    with pytest.raises(InputError) as caught:
        images.preprocess(path, entries, 32, tmp_path / "i.npy", tmp_path / "t.npy")
    line = str(caught.value)
    assert "\n" not in line
    assert "3 of 4 images" in line
    assert all(name in line for name in ("Cyst/b.png", "Stone/c.png", "Stone/d.png: expected 8 bits"))


def test_an_image_damaged_inside_the_archive_is_named(tmp_path):
    path = make_archive(tmp_path / "a.zip", {"Cyst/a.png": png(np.zeros((40, 40), np.uint8)), "Stone/b.png": b"x" * 99})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"x" * 99, b"y" * 99))
    entries = archive.images(path, ["Cyst", "Stone"])
    assert zipfile.is_zipfile(path)
    with pytest.raises(InputError, match=r"Stone/b\.png: damaged inside the archive"):
        images.preprocess(path, entries, 32, tmp_path / "i.npy", tmp_path / "t.npy")


# A PostScript program that writes a file where a program runs it.
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 40
(ran) (w) file closefile
showpage
%%EOF
"""


def test_a_program_that_calls_itself_a_picture_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"scan\.jpg: not a readable image \(no known format\)"):
        images.decode(EPS, "scan.jpg")
    assert not (tmp_path / "ran").exists()
    other = io.BytesIO()
    Image.new("L", (40, 40)).save(other, "GIF")
    with pytest.raises(InputError, match="no known format"):
        images.decode(other.getvalue(), "scan.png")
