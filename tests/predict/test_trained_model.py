"""A finished run is read from dvc.lock, whatever params.yaml says by now."""

import finished
import numpy as np
import pandas as pd
import pytest

from kidneyct.leakage import ood_score
from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.predict import trained_model

WEIGHTS = "models/candidate/model.weights.h5"
PARAMETERS = {
    "data.classes": ["01", "NA"],
    "model": {"dense_units": 16, "pixel_scaling": "caffe", "normalize": "none"},
}


@pytest.fixture
def run(tmp_path):
    """Four images, two of which train, and a lock whose learning rate is written as DVC does."""
    for folder in ("data/images", "models/candidate", "models/control"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    (tmp_path / "models/control/model.weights.h5").write_bytes(b"others")
    np.save(tmp_path / "data/images/thumbnails.npy", np.arange(4 * 625).reshape(4, 25, 25).astype("uint8"))
    table = pd.DataFrame({"image": list("abcd"), "label": ["01", "NA", "01", "NA"]})
    table.assign(split=["test", "train", "validation", "train"]).to_csv(tmp_path / "data/split.csv", index=False)
    table[["image"]].assign(series=[7, 8, 7, 9]).to_csv(tmp_path / "data/series.csv", index=False)
    relock(tmp_path)
    (tmp_path / "params.yaml").write_text("model: {dense_units: 1}")
    return tmp_path


def relock(folder, **more):
    values = {"preprocess": {"preprocess.image_size": 64}, "series": {"series.similarity": 0.9}}
    values |= {f"train@{role}": PARAMETERS | more for role in ("candidate", "control")}
    finished.lock(folder, values, finished.of_roles("candidate", "control"))


def candidate(folder):
    return trained_model.read(folder, ["candidate"])["candidate"]


def refusal(folder):
    with pytest.raises(InputError) as error:
        candidate(folder)
    (line,) = str(error.value).splitlines()
    return line


def edited(folder, change):
    """Change the stages in the lock."""
    tree = yaml12.read(folder / "dvc.lock")
    change(tree["stages"])
    finished.write(folder, tree)


def rehashed(stage, kind, path, md5="f" * 32):
    """A change that gives a file another hash in one place."""

    def change(stages):
        (entry,) = [entry for entry in stages[stage][kind] if entry["path"] == path]
        entry["md5"] = md5

    return change


def test_what_it_was_run_with_and_the_training_images(run):
    models = trained_model.read(run)
    assert list(models) == ["candidate", "control"]
    assert models["control"].weights == run / "models/control/model.weights.h5"
    model = models["candidate"]
    assert model[:6] == (run / WEIGHTS, ["01", "NA"], 64, 16, "caffe", "none")
    assert (model.head, model.window, model.grey) == ("flatten", "file", "file")  # what an older run's lock lacks
    assert (model.similarity, model.generated) == (0.9, False)
    thumbnails = np.load(run / "data/images/thumbnails.npy")[[1, 3]]
    np.testing.assert_array_equal(model.thumbnails, thumbnails)
    assert model.threshold == ood_score.threshold(thumbnails, np.array([8, 9]))
    relock(run, model=PARAMETERS["model"] | {"head": "average"})
    assert candidate(run).head == "average"


@pytest.mark.parametrize(("md5", "known"), [("p", True), ("q", False)])
def test_generated_images_are_known_as_such_where_the_archive_is_the_one_that_was_decoded(run, md5, known):
    def change(stages):
        out = {"path": "data/archive.zip", "md5": md5}
        stages["download"] = {"params": {"params.yaml": {"data.source": "phantom"}}, "outs": [out]}
        stages["preprocess"]["deps"] = [{"path": "data/archive.zip", "md5": "p"}]

    edited(run, change)
    assert candidate(run).generated == known


@pytest.mark.parametrize(("stage", "path"), [("preprocess", "data/images"), ("split", "data/split.csv")])
def test_what_a_stage_wrote_anew_is_of_another_run(run, stage, path):
    """As an interrupted repro leaves it: else the image size would be one run's and the model another's."""
    edited(run, rehashed(stage, "outs", path))
    line = f"dvc.lock: {path} is of another run: {stage} wrote it anew, and train@candidate has not been run on that"
    assert line in refusal(run)


@pytest.mark.parametrize("path", ["data/split.csv", "data/images/thumbnails.npy", WEIGHTS])
def test_every_file_is_the_one_that_the_lock_knows(run, path):
    content = (run / path).read_bytes()
    (run / path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    out = path if path.endswith(".csv") else path.rpartition("/")[0]
    assert f"{out}: not the file that dvc.lock knows, but another run's; run dvc checkout" in refusal(run)
    (run / path).unlink()
    assert f"{path}: not there; run dvc repro, or dvc pull" in refusal(run)


def test_a_model_that_is_replaced_meanwhile_is_told(run):
    model = candidate(run)
    trained_model.check_weights(model)
    (run / WEIGHTS).write_bytes(b"another")
    with pytest.raises(InputError, match=r"model\.weights\.h5: replaced while it was read; wait for dvc repro to end"):
        trained_model.check_weights(model)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (dict.clear, "expected a finished stage train@candidate, found none; run dvc repro"),
        (lambda stages: stages.pop("series"), "expected a stage that wrote data/series.csv, found none; run dvc repro"),
        (lambda stages: stages.pop("preprocess"), "expected train@candidate to have read what preprocess wrote, found"),
        (
            lambda stages: stages["train@candidate"]["params"]["params.yaml"].update({"data.classes": "cyst"}),
            "train@candidate: data.classes: Input should be a valid list; settle what",
        ),
    ],
)
def test_a_lock_that_lacks_something_is_one_line(run, change, line):
    edited(run, change)
    assert refusal(run).startswith(f"{run}/dvc.lock: {line}")


def test_no_run_is_one_line(tmp_path):
    assert refusal(tmp_path) == (
        f"{tmp_path}/dvc.lock: not there; give the folder of a finished run with --workspace, or run dvc repro"
    )
