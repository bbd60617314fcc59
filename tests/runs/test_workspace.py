"""A finished run is read from dvc.lock, whatever params.yaml says by now."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import yaml

from kidneyct.errors import InputError
from kidneyct.runs import workspace

WEIGHTS = "models/candidate/model.weights.h5"


@pytest.fixture
def run(tmp_path):
    """Four images, two of which train, and a lock whose learning rate is written as DVC does."""
    for folder in ("data", "models/candidate"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    np.save(tmp_path / "data/thumbnails.npy", np.arange(4 * 625).reshape(4, 25, 25).astype("uint8"))
    table = pd.DataFrame({"image": list("abcd"), "label": ["01", "NA", "01", "NA"]})
    table.assign(split=["test", "train", "validation", "train"]).to_csv(tmp_path / "data/split.csv", index=False)
    table[["image"]].assign(series=[7, 8, 7, 9]).to_csv(tmp_path / "data/series.csv", index=False)
    values = {
        "data.classes": ["01", "NA"],
        "model.dense_units": 16,
        "model.pixel_scaling": "caffe",
        "model.normalize": "none",
    }
    outs = [{"path": "other", "md5": "0"}, {"path": WEIGHTS, "md5": hashlib.md5(b"weights").hexdigest()}]
    stages = {
        "preprocess": {"params": {"params.yaml": {"preprocess.image_size": 64}}},
        "train@candidate": {"params": {"params.yaml": values}, "outs": outs},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    (tmp_path / "params.yaml").write_text("model: {dense_units: 1}")
    return tmp_path


def test_what_it_was_run_with_and_the_training_images(run):
    opened = workspace.read(run, "candidate")
    assert opened[:5] == (run / WEIGHTS, ["01", "NA"], 64, 16, "caffe")
    np.testing.assert_array_equal(opened.thumbnails, np.load(run / "data/thumbnails.npy")[[1, 3]])
    assert opened.series.tolist() == [8, 9]


def test_what_is_missing_is_named_with_what_to_do(run):
    with pytest.raises(InputError, match=r"expected a finished stage train@control, found none; run dvc repro"):
        workspace.read(run, "control")
    with pytest.raises(InputError, match=r"none/dvc\.lock: not there; give the folder of a finished run"):
        workspace.read(run / "none", "candidate")
    (run / WEIGHTS).write_bytes(b"another")
    with pytest.raises(InputError, match=r"not the file that dvc\.lock knows; run dvc checkout"):
        workspace.read(run, "candidate")
    (run / "data/series.csv").unlink()
    with pytest.raises(InputError, match=r"series\.csv: not there; run dvc repro, or dvc pull"):
        workspace.read(run, "candidate")


@pytest.mark.parametrize("lock", ["", "schema: '2.0'", "stages: {}"])
def test_a_lock_without_stages_is_no_finished_run(run, lock):
    (run / "dvc.lock").write_text(lock)
    with pytest.raises(InputError, match="expected a finished stage train@candidate"):
        workspace.read(run, "candidate")


def test_a_lock_with_a_merges_conflict_is_one_line(run):
    (run / "dvc.lock").write_text("<<<<<<< HEAD\nstages: {}\n=======\n")
    with pytest.raises(InputError, match=r"dvc\.lock: not valid YAML: ") as error:
        workspace.read(run, "candidate")
    assert "\n" not in str(error.value)
