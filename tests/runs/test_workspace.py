"""A finished run is read from dvc.lock, whatever params.yaml says by now."""

import json

import finished
import numpy as np
import pandas as pd
import pytest
from dvc.fs import localfs
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db.local import LocalHashFileDB

from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.predict import trained_model

WEIGHTS = "models/candidate/model.weights.h5"
PARAMETERS = {
    "data.classes": ["01", "NA"],
    "model.dense_units": 16,
    "model.pixel_scaling": "caffe",
    "model.normalize": "none",
}


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
    finished.lock(tmp_path, {"preprocess": {"preprocess.image_size": 64}, "train@candidate": PARAMETERS})
    (tmp_path / "params.yaml").write_text("model: {dense_units: 1}")
    return tmp_path


def test_what_it_was_run_with_and_the_training_images(run):
    opened = trained_model.read(run, "candidate")
    assert opened[:5] == (run / WEIGHTS, ["01", "NA"], 64, 16, "caffe")
    np.testing.assert_array_equal(opened.thumbnails, np.load(run / "data/thumbnails.npy")[[1, 3]])
    assert opened.series.tolist() == [8, 9]
    assert (opened.names, opened.labels) == (("b", "d"), ("NA", "NA"))


@pytest.mark.parametrize(("known", "head"), [({}, "flatten"), ({"model.head": "average"}, "average")])
def test_a_run_that_knew_of_one_head_only_has_that(run, known, head):
    finished.lock(run, {"preprocess": {"preprocess.image_size": 64}, "train@candidate": PARAMETERS | known})
    assert trained_model.read(run, "candidate").head == head


def test_thumbnails_over_shards_have_the_hash_that_dvc_gives_the_folder(run, tmp_path):
    whole, path = np.load(run / "data/thumbnails.npy"), run / "data/thumbnails.npy"
    path.unlink()
    path.mkdir()
    for number, rows in enumerate((whole[:3], whole[3:])):
        np.save(path / f"0000{number}.npy", rows)
    listed = [{"shape": (3, 25, 25)}, {"shape": (1, 25, 25)}]
    (path / "shards.json").write_text(json.dumps({"dtype": "uint8", "row": [25, 25], "images": 3, "shards": listed}))
    store = LocalHashFileDB(localfs, str(tmp_path / "store"))
    digest = build(store, str(path), localfs, "md5", dry_run=True)[2].hash_info.value
    assert digest.endswith(".dir")
    for stage, kind in (("preprocess", "outs"), ("series", "deps")):
        edited(run, stage, kind, "data/thumbnails.npy", digest)
    np.testing.assert_array_equal(trained_model.read(run, "candidate").thumbnails, whole[[1, 3]])
    np.save(path / "00001.npy", whole[:1])
    with pytest.raises(InputError, match=r"thumbnails\.npy: not the file that dvc\.lock knows, but another run's"):
        trained_model.read(run, "candidate")


def test_what_is_missing_is_named_with_what_to_do(run):
    with pytest.raises(InputError, match=r"expected a finished stage train@control, found none; run dvc repro"):
        trained_model.read(run, "control")
    with pytest.raises(InputError, match=r"none/dvc\.lock: not there; give the folder of a finished run"):
        trained_model.read(run / "none", "candidate")
    (run / "data/series.csv").unlink()
    with pytest.raises(InputError, match=r"series\.csv: not there; run dvc repro, or dvc pull"):
        trained_model.read(run, "candidate")


def edited(folder, stage, kind, path, md5):
    """The lock with another hash in one place."""
    tree = yaml12.read(folder / "dvc.lock")
    (entry,) = [entry for entry in tree["stages"][stage][kind] if entry["path"] == path]
    entry["md5"] = md5
    finished.write(folder, tree)


@pytest.mark.parametrize(
    ("stage", "path", "reader"),
    [
        ("preprocess", "data/images.npy", "features@candidate|train@candidate"),
        ("preprocess", "data/thumbnails.npy", "series"),
        ("preprocess", "data/index.csv", "split|series"),
        ("series", "data/series.csv", "split"),
        ("split", "data/split.csv", "train@candidate"),
        ("initialize@candidate", "models/candidate/initial.weights.h5", "features@candidate|train@candidate"),
        ("features@candidate", "data/features/candidate.npy", "train@candidate"),
    ],
)
def test_what_a_stage_wrote_anew_is_of_another_run(run, stage, path, reader):
    """As an interrupted repro leaves it: else the image size would be one run's and the model another's."""
    edited(run, stage, "outs", path, "f" * 32)
    expected = f"dvc.lock: {path} is of another run: {stage} wrote it anew, and ({reader}) has not been run on that; "
    with pytest.raises(
        InputError, match=expected + "run dvc repro, or git checkout dvc.lock params.yaml and dvc check"
    ):
        trained_model.read(run, "candidate")


def test_another_archive_does_not_concern_a_model(run):
    edited(run, "preprocess", "deps", "data/archive.zip", "f" * 32)
    assert trained_model.read(run, "candidate").image_size == 64


@pytest.mark.parametrize("path", ["data/split.csv", "data/series.csv", "data/thumbnails.npy", WEIGHTS])
def test_every_file_is_the_one_that_the_lock_knows(run, path):
    content = (run / path).read_bytes()
    (run / path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(
        InputError, match=rf"{path}: not the file that dvc\.lock knows, but another run's; run dvc checko"
    ):
        trained_model.read(run, "candidate")


def test_series_of_other_images_are_one_line(run):
    path = run / "data/series.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    finished.lock(run, {"preprocess": {"preprocess.image_size": 64}, "train@candidate": PARAMETERS})
    with pytest.raises(InputError, match=r"series\.csv: expected a line for each of 4 images, found 3; bring it back"):
        trained_model.read(run, "candidate")


def test_a_model_that_is_replaced_meanwhile_is_told(run):
    opened = trained_model.read(run, "candidate")
    trained_model.check_weights(opened)
    (run / WEIGHTS).write_bytes(b"another")
    with pytest.raises(InputError, match=r"model\.weights\.h5: replaced while it was read; wait for dvc repro to end"):
        trained_model.check_weights(opened)


def test_a_lock_without_the_stages_before_training_is_one_line(run):
    for missing, message in (
        ("series", r"dvc\.lock: expected a stage that wrote data/series\.csv, found none; run dvc repro"),
        (
            "preprocess",
            r"dvc\.lock: expected train@candidate to have read what preprocess wrote, found not; run dvc re",
        ),
    ):
        tree = yaml12.read(run / "dvc.lock")
        del tree["stages"][missing]
        finished.write(run, tree)
        with pytest.raises(InputError, match=message):
            trained_model.read(run, "candidate")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model.dense_units", "16", "model.dense_units: Input should be a valid integer; settle what"),
        ("model.dense_units", 0, "model.dense_units: Input should be greater than 0"),
        ("data.classes", "cyst", "data.classes: Input should be a valid list"),
        ("model.normalize", None, "model.normalize: Input should be 'none' or 'features'"),
    ],
)
def test_a_parameter_that_is_none_is_one_line(run, key, value, message):
    tree = yaml12.read(run / "dvc.lock")
    tree["stages"]["train@candidate"]["params"]["params.yaml"][key] = value
    finished.write(run, tree)
    with pytest.raises(InputError, match=f"dvc.lock: train@candidate: {message}"):
        trained_model.read(run, "candidate")


@pytest.mark.parametrize("lock", ["", "schema: '2.0'", "stages: {}"])
def test_a_lock_without_stages_is_no_finished_run(run, lock):
    (run / "dvc.lock").write_text(lock)
    with pytest.raises(InputError, match="expected a finished stage train@candidate"):
        trained_model.read(run, "candidate")


@pytest.fixture
def both(run):
    """The same of both roles, with a headline."""
    (run / "models/control").mkdir()
    (run / "models/control/model.weights.h5").write_bytes(b"others")
    (run / "metrics").mkdir()
    values = {"accuracy": 0.5, "macro_f1": 0.5, "recall": {"01": 0.5}}
    headline = {"candidate": values, "control": values, "gap": {"accuracy": 0.0}}
    headline |= {"leak": {"near_duplicates": 0.25}, "without_network": {"nearest_thumbnail": 0.5}}
    (run / finished.HEADLINE).write_text(json.dumps(headline))
    relock(run)
    return run


def relock(folder, values=PARAMETERS):
    read = {"preprocess": {"preprocess.image_size": 64}, "train@candidate": values, "train@control": values}
    chain = finished.of_roles(folder, ("candidate", "control"))
    finished.lock(folder, read | {"split": {"split.by": "image"}}, chain)


def test_both_roles_of_one_run_and_what_came_of_it(both):
    opened, about = trained_model.read_all(both)
    assert list(opened) == ["candidate", "control"]
    assert opened["control"][:2] == (both / "models/control/model.weights.h5", ["01", "NA"])
    assert about.parameters["split.by"] == "image"
    assert about.parameters["preprocess.image_size"] == 64
    assert about.headline["leak"] == {"near_duplicates": 0.25}
    assert about.amiss == ""


def test_a_headline_of_another_run_is_none(both):
    path = both / finished.HEADLINE
    content = path.read_text()
    path.write_text(content.replace("0.25", "0.75"))
    _, about = trained_model.read_all(both)
    assert about.headline is None
    assert "headline.json: not the file that dvc.lock knows, but another run's" in about.amiss
    path.write_text("{}")
    relock(both)
    assert "headline.json: written by another version of kidneyct" in trained_model.read_all(both)[1].amiss
    path.unlink()
    relock(both)
    assert "expected a finished stage compare, found none; run dvc repro" in trained_model.read_all(both)[1].amiss
    path.write_text(content)
    relock(both)
    edited(both, "compare", "deps", "plots/control/history.csv", "0" * 32)
    _, about = trained_model.read_all(both)
    assert about.headline is None
    assert "plots/control/history.csv is of another run: train@control wrote it anew" in about.amiss


def test_a_run_that_ends_while_it_is_read_is_not_taken(both, monkeypatch):
    read = trained_model.read

    def interrupted(folder, role):
        found = read(folder, role)
        if role == "control":
            relock(both, PARAMETERS | {"model.dense_units": 8})
        return found

    monkeypatch.setattr(trained_model, "read", interrupted)
    with pytest.raises(InputError, match=r"dvc\.lock: replaced while it was read; wait for dvc repro to end"):
        trained_model.read_all(both)


def test_both_roles_must_be_there(run):
    with pytest.raises(InputError, match="expected a finished stage train@control, found none; run dvc repro"):
        trained_model.read_all(run)
