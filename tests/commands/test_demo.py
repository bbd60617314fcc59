"""`kidneyct demo`, with a stand-in for DVC that says how it was called, and `kidneyct phantom`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kidneyct.backbone import imagenet
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import phantom, user_images

COMPARISON = {
    "accuracy": {"candidate": 0.875, "control": 0.5, "gap": 0.375},
    "macro_f1": {"candidate": 0.75, "control": 1.0, "gap": -0.25},
    "probe": {"macro_auroc": {"candidate": 0.9, "control": 0.8, "gap": 0.1}},
}
PYTHON = """#!/bin/sh
test "$1 $2" = "-m dvc" || exit 9
shift 2
echo "$@" > called
echo "$PATH" > path
exit ${STATUS:-0}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project whose Python runs DVC, no folder of which is on the PATH."""
    for name in ("bin", "metrics/comparison"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin/python").write_text(PYTHON)
    (tmp_path / "bin/python").chmod(0o755)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "metrics/comparison/comparison.json").write_text(json.dumps(COMPARISON))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(imagenet, "fetch", lambda: (Path("imagenet.h5"), "the cache"))
    monkeypatch.chdir(tmp_path)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run([*git, *words], check=True)
    return tmp_path


def test_it_runs_the_study_on_phantoms_and_sums_it_up(folder, run, monkeypatch):
    status, output, _ = run("demo")
    assert status == 0
    called = Path("called").read_text()
    assert called.startswith("exp run -S data.source=phantom -S weights=imagenet -S phantom.patients_per_class=6")
    assert Path("path").read_text().split(os.pathsep)[0] == str(folder / "bin")  # for the stages' `python`
    assert output.startswith(f"Running: dvc {called}")
    assert "\n  candidate (imagenet):        0.8750   0.7500   0.9000\n" in output
    assert "\n  control (random weights):    0.5000   1.0000   0.8000\n" in output
    assert "\n  gap:                        +0.3750  -0.2500  +0.1000\n" in output

    def missing():
        raise InputError("No network.")

    monkeypatch.setattr(imagenet, "fetch", missing)
    status, output, _ = run("demo")
    assert (status, "weights=photographs" in Path("called").read_text()) == (0, True)
    assert output.startswith("The demo starts from `photographs` instead of ImageNet. No network.\n")
    assert "candidate (photographs):" in output


def test_a_run_that_fails_has_no_summary_and_another_folder_none(folder, run, monkeypatch):
    monkeypatch.setenv("STATUS", "3")
    status, output, _ = run("demo")
    assert (status, "gap" in output) == (3, False)
    shutil.rmtree(folder / ".git")
    assert "expected a git repository with a commit; git says fatal: not a git repository" in run("demo")[2]
    (folder / "dvc.yaml").unlink()
    line = f"error: dvc.yaml: expected in {folder}, found none; run kidneyct demo in the project's folder\n"
    assert run("demo") == (2, "", line)


def test_dvc_may_tidy_up_where_it_is_interrupted(folder, run, monkeypatch):
    waited = []

    def wait(process, timeout=None):
        if "dvc" not in process.args:
            return original(process, timeout)
        waited.append(original(process, timeout))
        if len(waited) == 1:
            raise KeyboardInterrupt

    original = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", wait)
    status, _, err = run("demo")
    assert (status, err) == (130, "interrupted\n")
    assert len(waited) >= 2


def test_what_it_writes_is_a_source_of_known_patients(tmp_path, run):
    assert "-S data.source=''\"'\"'" in run("phantom", tmp_path / "ü", "--patients", "1", "--slices", "1")[1]
    folder = tmp_path / "a b"
    said = f"{folder}: 4 DICOM files of 4 patients, and their masks\ndvc exp run -S data.source='{folder}'\n"
    assert run("phantom", folder, "--patients", "1", "--slices", "1", "--seed", "5") == (0, said, "")
    members = dict(user_images.members(str(folder), phantom.CLASSES))
    assert members["patients.csv"].decode().count("\n") == 5
    assert sum(name.startswith("masks/") for name in members) == 4
    line = f"error: {folder}: expected a new or empty folder, found another; choose another name\n"
    status, _, err = run("phantom", folder)
    assert (status, err) == (2, line)
