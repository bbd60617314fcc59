"""Which files, where their pictures go, and what is told of each."""

import errno
import os
from types import SimpleNamespace

import ct
import finished
import numpy as np
import pytest
from PIL import Image

from kidneyct.images import decoding
from kidneyct.pipeline.errors import InputError
from kidneyct.predict import prediction
from kidneyct.predict.trained_model import TrainedModel


class Network:
    """Gives every image the same probabilities, and counts its batches."""

    def __init__(self, *probabilities):
        self.probabilities, self.batches = probabilities, []

    def predict_on_batch(self, pixels):
        self.batches.append(pixels.shape)
        return np.tile(self.probabilities, (len(pixels), 1))


PICTURES = [Image.fromarray(picture) for picture in finished.slices(0, 5)]
THUMBNAILS = np.stack([decoding.thumbnail(picture) for picture in PICTURES])
SETTINGS = SimpleNamespace(classes=["a", "b"], image_size=40, window="file", grey="file")
MODEL = TrainedModel("m.h5", SETTINGS, THUMBNAILS, 0.5)


def test_results_come_in_the_order_of_the_files_batch_by_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "BATCH_SIZE", 2)
    files = [tmp_path / f"{name}.png" for name in "abcde"]
    for file, picture in zip(files, PICTURES, strict=True):
        picture.save(file)
    files[1].write_text("no picture")
    ct.put(tmp_path, {"mr.dcm": ct.shipped("MR_small.dcm"), "cut": ct.file()[:-9]})
    amiss = {
        "mr.dcm": "no CT image but MR Image Storage",
        "cut": "not readable as DICOM (The number of bytes of pixel data is less than expected (119 vs 128 bytes)",
        "none.png": "No such file or directory",
    }
    network, explained = Network(0.0, 1.0), []
    outcomes = dict(prediction.predict(MODEL, network, files, lambda *batch: explained.append(batch)))
    assert list(outcomes) == files
    assert "not a readable image" in outcomes[files[1]]
    for name, line in amiss.items():
        path = tmp_path / name
        ((_, fault),) = prediction.predict(MODEL, network, [path])
        assert fault.startswith(f"{path}: {line}")
    assert outcomes[files[0]] == {
        "class": "b",
        "probability": 1,
        "probabilities": {"a": 0, "b": 1},
        "likeness": pytest.approx(1, abs=1e-4),
        "unlike": False,
    }
    assert network.batches == [(1, 40, 40, 3), (2, 40, 40, 3), (1, 40, 40, 3)]
    assert [batch[0] for batch in explained] == [files[:1], files[2:4], files[4:]]
    with pytest.raises(InputError, match=r"^m\.h5: the model gives no numbers; train it again"):
        list(prediction.predict(MODEL, Network(np.nan, np.nan), files[:1]))


def test_files_are_searched_for_in_folders_each_once(tmp_path, monkeypatch):
    """What can't be read is named, and the rest goes on; a link back leads to no file twice."""
    inside, closed, empty = tmp_path / "folder" / "below", tmp_path / "closed", tmp_path / "empty"
    for folder in (inside, closed, empty):
        folder.mkdir(parents=True)
    for name in ("b.png", "a.JPG", "notes.txt", "../../unnamed"):
        (inside / name).touch()
    ct.put(inside, {"c.dcm": b"text", "1.2.840.10": ct.file(), "DICOMDIR": ct.file(), "more.txt": b"x" * 200})
    (inside / "up").symlink_to(tmp_path / "folder")
    (inside / "loop.png").symlink_to("loop.png")
    os.mkfifo(inside / "pipe.png")
    scandir = os.scandir

    def refused(path):
        if str(path) == str(closed):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    arguments = [tmp_path / "unnamed", tmp_path / "folder", inside / "b.png", closed, empty, tmp_path / "none"]
    files, problems = prediction.find(arguments)
    found = [inside / name for name in ("1.2.840.10", "a.JPG", "b.png", "c.dcm")]
    assert files == [tmp_path / "unnamed", *found]
    assert problems == [
        (str(inside / "loop.png"), "Too many levels of symbolic links"),
        (str(inside / "pipe.png"), "a pipe or a device"),
        (str(closed), "can't be read (Permission denied); change its permissions"),
        (str(empty), "no image in this folder (.jfif, .jpeg, .jpg, .png or DICOM)"),
        (str(tmp_path / "none"), "No such file or directory"),
    ]


def test_files_of_one_name_get_pictures_of_their_own_in_a_new_folder(tmp_path):
    names = ("a/scan.png", "b/scan.jpg", "scan-2.png", "1.2.840.10", "x.dcm")
    files = [tmp_path / name for name in names]
    places = prediction.pictures(files, tmp_path / "maps")
    assert [path.stem for path in places.values()] == ["scan", "scan-2", "scan-2-2", "1.2.840.10", "x"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: expected a new or empty folder, found another; choose another name"):
        prediction.pictures(files, tmp_path / "file")
