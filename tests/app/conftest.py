"""A finished run of both roles, and files that a person might drop on the page."""

import json

import finished
import numpy as np
import pytest
from PIL import Image

from kidneyct.pipeline.roles import ROLES

HEADLINE = {
    "candidate": {"accuracy": 0.875, "macro_f1": 0.8, "recall": {"Cyst": 1.0}},
    "control": {"accuracy": 0.5, "macro_f1": 0.4, "recall": {"Cyst": 1.0}},
    "gap": {"accuracy": 0.375},
    "leak": {"near_duplicates": 0.931},
    "without_network": {"nearest_thumbnail": 0.9625},
}
SETTINGS = {
    "initialize@candidate": {"weights": "/home/someone/<b>.h5", "model.transferred_blocks": 5},
    "series": {"series.similarity": 0.99},
    "split": {"split.by": "image"},
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The run's."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "metrics").mkdir()
    (folder / finished.HEADLINE).write_text(json.dumps(HEADLINE))
    finished.run(folder, ROLES, SETTINGS)
    return folder


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """Two images, of the first series of the training images and of a kind of their own, and files that are none."""
    folder = tmp_path_factory.mktemp("in")
    Image.fromarray(finished.slices(0, 1)[0]).save(folder / "alike.png")
    Image.fromarray(np.tile(np.arange(64, dtype="uint8"), (48, 1)) * 4).save(folder / "unlike.jpg")
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("no picture")
    (folder / "broken.jpg").write_bytes((folder / "unlike.jpg").read_bytes()[:-200])
    Image.new("1", (20_000, 20_000)).save(folder / "huge.png", compress_level=1)
    return folder
