import pytest
import whole_run
from PIL import Image

from kidneyct import __main__ as door


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """The folder of a finished run, and its candidate's network."""
    folder = tmp_path_factory.mktemp("workspace")
    return folder, whole_run.write(folder)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    """Two images of the training series, one that is like none, and files that are none."""
    folder = tmp_path_factory.mktemp("in")
    for number, picture in enumerate([*whole_run.slices(0, 2), 255 - whole_run.slices(1, 1)[0]]):
        Image.fromarray(picture).save(folder / f"{number}.png")
    (folder / "text.jpg").write_text("no picture")
    Image.open(folder / "0.png").save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:-200])
    return folder


@pytest.fixture
def run(capsys):
    """Runs a command; gives its status, output and errors."""

    def call(*arguments):
        status = door.main([*map(str, arguments)])
        return status, *capsys.readouterr()

    return call
