"""A finished run is read from dvc.lock, whatever params.yaml says by now; and what is told of which files."""

import errno
import os
from types import SimpleNamespace

import ct
import finished
import numpy as np
import pandas as pd
import pytest
import whole_run
from PIL import Image

from kidneyct.images import decoding
from kidneyct.leakage import overlap
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES
from kidneyct.predict import prediction, trained_model
from kidneyct.predict.trained_model import TrainedModel

WEIGHTS = "models/candidate/model.weights.h5"
STAGES = ["preprocess", "series", "split", *(f"{stage}@{role}" for stage in ("features", "train") for role in ROLES)]
PARAMETERS = whole_run.PARAMETERS | {"data": whole_run.PARAMETERS["data"] | {"classes": ["01", "NA"]}}


@pytest.fixture
def run(tmp_path):
    """Four images, two of which train."""
    for folder in ("data/images", "models/candidate", "models/control"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    (tmp_path / "models/control/model.weights.h5").write_bytes(b"others")
    np.save(tmp_path / "data/images/thumbnails.npy", np.arange(4 * 625).reshape(4, 25, 25).astype("uint8"))
    table = pd.DataFrame({"image": list("abcd"), "label": ["01", "NA", "01", "NA"]})
    table.assign(split=["test", "train", "validation", "train"]).to_csv(tmp_path / "data/split.csv", index=False)
    table[["image"]].assign(series=[7, 8, 7, 9]).to_csv(tmp_path / "data/series.csv", index=False)
    finished.lock(tmp_path, finished.read_by(STAGES, PARAMETERS))
    (tmp_path / "params.yaml").write_text("model: {dense_units: 1}")
    return tmp_path


def candidate(folder):
    return trained_model.read(folder, ["candidate"])["candidate"]


def refusal(folder):
    with pytest.raises(InputError) as error:
        candidate(folder)
    (line,) = str(error.value).splitlines()
    return line


def test_what_it_was_run_with_and_the_training_images(run, monkeypatch):
    models = trained_model.read(run)
    assert list(models) == ["candidate", "control"]
    assert models["control"].weights == run / "models/control/model.weights.h5"
    model = models["candidate"]
    assert (model.weights, model.generated) == (run / WEIGHTS, False)
    expected = {"classes": ["01", "NA"], "image_size": 32, "window": "file", "grey": "file", "dense_units": 16}
    expected |= {"pixel_scaling": "unit", "normalize": "features", "head": "flatten", "similarity": 0.99}
    assert model.settings.model_dump() == expected
    thumbnails = np.load(run / "data/images/thumbnails.npy")[[1, 3]]
    np.testing.assert_array_equal(model.thumbnails, thumbnails)
    assert model.threshold == overlap.threshold(thumbnails, np.array([8, 9]))
    phantom = {"params": {"params.yaml": {"data.source": "phantom"}}}
    finished.relocked(run, lambda stages: stages.update(download=phantom))
    assert candidate(run).generated
    monkeypatch.setattr(trained_model.classifier, "trained", lambda *_: "built")
    assert trained_model.network(model) == "built"
    (run / WEIGHTS).write_bytes(b"another")
    with pytest.raises(InputError, match=r"model\.weights\.h5: replaced while it was read; wait for dvc repro to end"):
        trained_model.network(model)


@pytest.mark.parametrize("path", ["data/split.csv", "data/images/thumbnails.npy", WEIGHTS])
def test_every_file_is_the_one_that_the_lock_knows(run, path):
    content = (run / path).read_bytes()
    (run / path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    out = path if path.endswith(".csv") else path.rpartition("/")[0]
    assert f"{out}: not the file that dvc.lock knows, but another run's; run dvc checkout" in refusal(run)
    (run / path).unlink()
    assert f"{path}: not there; run dvc repro, or dvc pull" in refusal(run)


def rewritten(stages):
    """As an interrupted repro leaves it: the image size would be one run's and the model another's."""
    stages["preprocess"]["outs"][0]["md5"] = "f" * 32


def given(**values):
    return lambda stages: stages["train@candidate"]["params"]["params.yaml"].update(values)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (rewritten, "data/images is of another run: preprocess wrote it again, and "),
        (dict.clear, "expected a finished stage train@candidate, found none; run dvc repro"),
        (lambda stages: stages.pop("series"), "train@candidate: series.similarity: Field required; settle what"),
        (lambda stages: stages.pop("preprocess"), "train@candidate: preprocess.image_size: Field required; settle"),
        (given(**{"model.head": "attention"}), "train@candidate: model.head: Input should be 'flatten' or 'average'"),
        (given(seed=1), "split was run with seed: 0, train@candidate with 1; run dvc repro, or git checkout"),
    ],
)
def test_a_lock_that_lacks_something_is_one_line(run, change, line):
    finished.relocked(run, change)
    found = refusal(run)
    assert found.startswith(f"{run}/dvc.lock: ")
    assert line in found


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
    for name in ("b.png", "a.JPG", "._a.JPG", "notes.txt", "../../unnamed"):
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
    arguments = [tmp_path / "unnamed", tmp_path / "folder", inside / "b.png", closed, empty, tmp_path / ("n" * 300)]
    files, problems = prediction.find(arguments)
    found = [inside / name for name in ("1.2.840.10", "a.JPG", "b.png", "c.dcm")]
    assert files == [tmp_path / "unnamed", *found]
    assert problems == [
        (str(inside / "loop.png"), "Too many levels of symbolic links"),
        (str(inside / "pipe.png"), "a pipe or a device"),
        (str(closed), "can't be read (Permission denied); change its permissions"),
        (str(empty), "no image in this folder (.jfif, .jpeg, .jpg, .png or DICOM)"),
        (str(tmp_path / ("n" * 300)), "File name too long"),
    ]


def test_files_of_one_name_get_pictures_of_their_own_in_a_new_folder(tmp_path):
    names = ("a/scan.png", "b/scan.jpg", "scan-2.png", "1.2.840.10", "x.dcm")
    files = [tmp_path / name for name in names]
    places = prediction.pictures(files, tmp_path / "maps")
    assert [path.stem for path in places.values()] == ["scan", "scan-2", "scan-2-2", "1.2.840.10", "x"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: expected a new or empty folder, found another; choose another name"):
        prediction.pictures(files, tmp_path / "file")
