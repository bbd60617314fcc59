"""What made a result."""

import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kidneyct.files import record
from kidneyct.pipeline import params


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_holds_what_a_repetition_needs(folder, monkeypatch, capsys):
    devices = SimpleNamespace(precision=lambda: "float32", describe="CPU, {}".format)  # where Keras computed
    monkeypatch.setitem(sys.modules, "kidneyct.backbone.devices", devices)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("KAGGLE_API_TOKEN", "TF_VAR_password"):
        monkeypatch.setenv(name, "secret")
    record.write("series", 1.26)
    text = (folder / "records/series.json").read_text()
    found = json.loads(text)
    assert (found["stage"], found["seconds"], found["device"]) == ("series", 1.3, "CPU, float32")
    assert found["commit"] is None  # no repository here
    assert capsys.readouterr().err.startswith("no commit is recorded: fatal: not a git repository")
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["numpy"] == np.__version__
    assert found["environment"]["OMP_NUM_THREADS"] == "1"
    assert found["parameters"] == json.loads(json.dumps(params.validate().model_dump()))
    assert "secret" not in text


def test_it_names_the_commit_and_what_was_changed_since(folder):
    for command in (
        ["init", "-q"],
        ["add", "params.yaml"],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *command], check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    found = record.made_by("series", 0)
    assert (found["commit"], found["changed"]) == (commit, [])
    (folder / "params.yaml").write_text((folder / "params.yaml").read_text() + "\n")
    assert record.made_by("series", 0)["changed"] == ["params.yaml"]


def test_a_record_that_can_not_be_written_takes_no_result_along(folder, capsys):
    (folder / "records").touch()
    record.write("series", 1)
    assert capsys.readouterr().err.startswith("no record of what made this result: records/series.json: can't be")
