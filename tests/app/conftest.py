"""A finished run of both roles, and files that a person might drop on the page."""

import numpy as np
import pytest
import whole_run
from PIL import Image


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The run's."""
    folder = tmp_path_factory.mktemp("run")
    whole_run.write(folder)
    return folder


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """Two images, of the first series of the training images and of a kind of their own, and files that are none."""
    folder = tmp_path_factory.mktemp("in")
    Image.fromarray(whole_run.slices(0, 1)[0]).save(folder / "alike.png")
    Image.fromarray(np.tile(np.arange(64, dtype="uint8"), (48, 1)) * 4).save(folder / "unlike.jpg")
    (folder / "text.jpg").write_text("no picture")
    (folder / "broken.jpg").write_bytes((folder / "unlike.jpg").read_bytes()[:-200])
    return folder
