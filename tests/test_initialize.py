"""The stage that writes a role's initial weights writes nowhere else."""

import shutil
from pathlib import Path

import pytest
from layers import numbered_weights, one_line, write_legacy

from stages import check, initialize

from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "project"
    folder.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(name, folder)
    monkeypatch.chdir(folder)
    return folder


def files(folder):
    return sorted(path for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "role", ["../../x", "../x", "/tmp/x", "", "candidate/../../x", "Candidate", "control\n", "x" * 5000]
)
def test_another_role_is_refused_before_anything_is_written(project, tmp_path, monkeypatch, role):
    def never(*_):
        raise AssertionError("weights were drawn")

    monkeypatch.setattr(initialize.weights, "initial", never)
    before = files(tmp_path)
    with pytest.raises(InputError, match="initialize@candidate, initialize@control"):
        initialize.main(role)
    assert files(tmp_path) == before


def test_an_unknown_start_is_refused_before_anything_is_fetched(project, tmp_path):
    settings = Path("params.yaml").read_text()
    for start in ("imagnet", str(tmp_path / "mine.h5")):
        Path("params.yaml").write_text(settings.replace("weights: imagenet ", f"weights: {start} "))
        with pytest.raises(
            InputError, match=f"^params.yaml: weights: expected imagenet, .*, found nothing at {start} "
        ) as error:
            check.main()
        assert "none, he, photographs or the path of a weights file, found" in one_line(error)
        assert not Path("data").exists()
    (tmp_path / "mine.h5").touch()
    check.main()


def test_bad_weights_leave_no_file(project, tmp_path, monkeypatch):
    layers = numbered_weights()
    layers["block1_conv1"][0][...] = 0
    write_legacy(tmp_path / "zero.h5", layers)
    values = yaml12.read("params.yaml") | {"weights": str(tmp_path / "zero.h5")}
    monkeypatch.setattr(initialize.params, "validate", lambda _: initialize.params.Params.model_validate(values))
    with pytest.raises(InputError, match="layer block1_conv1 expected a trained kernel, found 0 in each") as error:
        initialize.main("candidate")
    one_line(error)
    assert not Path("models").exists()
