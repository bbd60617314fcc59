"""A finished run is read from dvc.lock, whatever params.yaml says by now."""

import finished
import numpy as np
import pandas as pd
import pytest
import whole_run

from kidneyct.leakage import overlap
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES
from kidneyct.predict import trained_model

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


def test_what_it_was_run_with_and_the_training_images(run):
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
    trained_model.check_weights(model)
    (run / WEIGHTS).write_bytes(b"another")
    with pytest.raises(InputError, match=r"model\.weights\.h5: replaced while it was read; wait for dvc repro to end"):
        trained_model.check_weights(model)


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
        (rewritten, "data/images is of another run: preprocess wrote it anew, and "),
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
