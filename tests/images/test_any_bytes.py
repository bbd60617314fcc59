"""Whatever lies in a file, reading it ends with a result or with one line."""

import io
import zipfile

import ct
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kidneyct.files import arrays, index
from kidneyct.images import archive, decoding, masks
from kidneyct.pipeline.errors import InputError
from kidneyct.series import known_series
from kidneyct.sources import dicom, labels, user_images

CLASSES = ["Cyst", "Stone"]
ALL_IN_ONE_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
pytestmark = pytest.mark.filterwarnings("ignore")


def one_line(read, *arguments):
    """What `read` gives, or None where it raised an InputError of one line; any other exception comes out."""
    try:
        return read(*arguments)
    except InputError as error:
        line = str(error)
    assert line.isprintable()
    return None


def png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = png(np.arange(64, dtype=np.uint8).reshape(8, 8))
LETTERS = st.sampled_from("aAé\u0301/\\.:\n\r\0\t\",;'<\u202e\u2028\xa0 漢")


def packed(method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name in ("Cyst/a.png", "Stone/b.png", "masks/Cyst/a.png"):
            file.writestr(name, PICTURE)
    return buffer.getvalue()


ZIPS = [packed(method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)]
CHANGES = st.lists(st.tuples(st.integers(0, 2**16), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4)


def changed(content, changes, cut):
    content = bytearray(content)
    for place, new in changes:
        place %= len(content)
        content[place : place + len(new)] = new
    return bytes(content[: len(content) - cut % len(content)] if cut else content)


def used(path, folder):
    """All that stages do with an archive."""
    archive.write(folder / "archive.zip", user_images.members(path, CLASSES))
    entries = archive.images(folder / "archive.zip", CLASSES)
    masks.check(folder / "archive.zip", entries)
    decoding.preprocess(folder / "archive.zip", entries, 32, 1, folder)


@ALL_IN_ONE_FOLDER
@pytest.mark.fuzz
@given(content=st.sampled_from(ZIPS), changes=CHANGES, cut=st.one_of(st.just(0), st.integers(0, 2**16)))
def test_a_zip_with_changed_bytes(tmp_path, content, changes, cut):
    path = tmp_path / "a.zip"
    path.write_bytes(changed(content, changes, cut))
    one_line(used, path, tmp_path)
    entries = one_line(archive.images, path, CLASSES)  # as it is, where it comes from Kaggle
    if entries:
        one_line(masks.check, path, entries)
        one_line(decoding.preprocess, path, entries, 32, 1, tmp_path)
    assert not list(tmp_path.glob("*.partial"))


NAMES = st.tuples(st.sampled_from(["Cyst/", "Stone/", "masks/", "more/"]), st.text(LETTERS, max_size=6))


@ALL_IN_ONE_FOLDER
@pytest.mark.fuzz
@given(names=st.lists(NAMES, max_size=4))
def test_a_zip_of_any_names(tmp_path, names):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ["Cyst/a.png", "Stone/b.png", *(f"{folder}{name}.png" for folder, name in names)]:
            file.writestr(name, PICTURE)
    one_line(used, path, tmp_path)
    entries = one_line(archive.images, path, CLASSES)
    if entries:
        one_line(decoding.preprocess, path, entries, 32, 0, tmp_path)
        table = index.read(tmp_path / "index.csv")
        assert table["image"].tolist() == [entry.image for entry in entries]


TABLES = {
    "index.csv": "image,label,width,height,sha256\na,b,1,2,ff\nc,d,3,4,ee\n",
    "series.csv": "image,series\na,0\nc,1\n",
    "split.csv": "image,label,split\na,b,train\nc,d,test\n",
    "labels.csv": "file,label\na.png,Cyst\nb.png,Stone\n",
    "predictions.csv": "image,label,predicted,probability of b\na,b,b,0.5\nc,d,b,0.5\n",
}


@ALL_IN_ONE_FOLDER
@pytest.mark.fuzz
@given(name=st.sampled_from(list(TABLES)), changes=CHANGES, content=st.one_of(st.none(), st.binary(max_size=60)))
def test_a_table_of_any_bytes(tmp_path, name, changes, content):
    path = tmp_path / name
    path.write_bytes(changed(TABLES[name].encode(), changes, 0) if content is None else content)
    one_line(labels.read, path, CLASSES)
    one_line(known_series.parse, path.read_bytes(), name)
    table = one_line(index.read, path) if name != "labels.csv" else None
    if table is not None:
        assert set(index.COLUMNS[name]) <= set(table)
    if name == "series.csv" and one_line(index.read_series, path) is not None:
        assert index.read_series(path).dtype == np.int64 or len(table) == 0


@ALL_IN_ONE_FOLDER
@pytest.mark.fuzz
@given(changes=CHANGES, content=st.one_of(st.none(), st.binary(max_size=200)), cut=st.integers(0, 300))
def test_an_array_of_any_bytes(tmp_path, changes, content, cut):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((2, 25, 25), np.uint8))
    path = tmp_path / "a.npy"
    path.write_bytes(changed(buffer.getvalue(), changes, cut) if content is None else content)
    one_line(arrays.thumbnails, path)
    one_line(arrays.read_named, path)


FILES = [
    (decoding.decode, PICTURE),
    (dicom.picture, ct.file()),
    (dicom.picture, ct.shipped("CT_small.dcm")),
    (dicom.picture, ct.shipped("J2K_pixelrep_mismatch.dcm")[:9999]),
]


@pytest.mark.fuzz
@given(file=st.sampled_from(FILES), changes=CHANGES, cut=st.one_of(st.just(0), st.integers(0, 300)))
def test_a_picture_or_a_dicom_file_of_any_bytes(file, changes, cut):
    one_line(file[0], changed(file[1], changes, cut), "a")
