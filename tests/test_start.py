"""What a role starts from is checked before anything is fetched, and no bad weights leave a file."""

import shutil
from pathlib import Path

import house
import numpy as np
import pytest
import yaml
from layers import numbered_weights, one_line, write_legacy

from stages import check, features

from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "project"
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(house.defaults()))
    shutil.copy("dvc.yaml", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("role", ["../../x", "candidate/../../x", "control\n"])
def test_another_role_is_refused_before_anything_is_written(project, tmp_path, monkeypatch, role):
    def never(*_):
        raise AssertionError("weights were drawn")

    monkeypatch.setattr(features.weights, "initial", never)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="features@candidate, features@control"):
        features.main(role)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unknown_start_is_refused_before_anything_is_fetched(project, tmp_path):
    settings = Path("params.yaml").read_text()
    for start in ("imagnet", "dvc.yaml"):
        Path("params.yaml").write_text(settings.replace("weights: imagenet", f"weights: {start}"))
        line = f"imagenet, none, he, photographs or the path of a weights file, found no HDF5 file at {start} "
        with pytest.raises(InputError, match=f"^params.yaml: weights: expected {line}"):
            check.main()
        assert not Path("data").exists()
    Path("params.yaml").write_text(settings.replace("external: none", "external: there.zip"))
    with pytest.raises(InputError, match=r"^params.yaml: data.external: expected none or the path of a folder or zip"):
        check.main()
    Path("params.yaml").write_text(settings.replace("weights: imagenet", "weights: models/control/model.weights.h5"))
    with pytest.raises(InputError, match=r"^params.yaml: weights: .*, that the pipeline itself writes and removes; "):
        check.main()
    Path("params.yaml").write_text(settings.replace("weights: imagenet", f"weights: {tmp_path / 'mine.h5'}"))
    write_legacy(tmp_path / "mine.h5", {})
    check.main()
    Path("data/archive.zip").touch()  # laid there by hand, before the first run
    with pytest.raises(InputError, match=r"^data/archive.zip: found a file that no run here made, which DVC would"):
        check.main()


def test_bad_weights_leave_no_file(project, tmp_path, monkeypatch):
    layers = numbered_weights()
    layers["block1_conv1"][0][...] = 0
    write_legacy(tmp_path / "zero.h5", layers)
    values = yaml12.read("params.yaml") | {"weights": str(tmp_path / "zero.h5")}
    monkeypatch.setattr(features.params, "validate", lambda _: features.params.Params.model_validate(values))
    Path("data/images").mkdir(parents=True)
    np.save("data/images/images.npy", np.zeros((4, 32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="layer block1_conv1 expected a trained kernel, found 0 in each") as error:
        features.main("candidate")
    one_line(error)
    assert not Path("data/features").exists()
