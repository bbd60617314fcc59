"""`kidneyct export`, and `kidneyct predict --model` of what it wrote."""

import json
import shutil
from pathlib import Path

import finished
import pytest

from kidneyct import __main__ as door


@pytest.fixture(scope="module")
def exported(workspace, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "candidate.zip"
    assert door.main(["export", str(path), "--workspace", str(workspace[0])]) == 0
    return path


def test_an_exported_model_says_what_the_run_says(workspace, exported, inputs, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no project
    run_s, file_s = (
        run("predict", inputs, *source, "--json", "--explain", f"maps{number}")
        for number, source in enumerate((("--workspace", workspace[0]), ("--model", exported)))
    )
    assert run_s == file_s
    assert [result["unlike"] for result in json.loads(run_s[1])["predictions"]] == [False, False, True]
    for name in ("0.png", "1.png", "2.png"):
        assert Path("maps0", name).read_bytes() == Path("maps1", name).read_bytes()


def test_without_thumbnails_likeness_can_t_be_told(workspace, exported, inputs, tmp_path, run):
    path = tmp_path / "m.zip"
    assert run("export", path, "--workspace", workspace[0], "--without-thumbnails")[:2] == (
        0,
        f"{path}: the candidate of this run, 56 MiB, without the thumbnails of 16 training images\n"
        "Use it anywhere: kidneyct predict --model m.zip scan.png\nResearch software, not for clinical use.\n",
    )
    results = {}
    for file in (path, exported):
        _, out, err = run("predict", inputs / "2.png", "--model", file, "--json")
        assert (f"{path}: holds no training thumbnails, so likeness can't be told\n" in err) == (file == path)
        (results[file],) = json.loads(out)["predictions"]
    assert results[path] == results[exported] | {"likeness": None, "unlike": None}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("predict a.png --model m --role control", "--model: the file holds one model and needs no run; leave out --r"),
        ("predict a.png --explain /", "--explain /: expected a new or empty folder, found another; choose another"),
        ("predict a.png --model m", "m: expected a model that kidneyct export wrote, found none that can be read (No "),
        ("export x.zip --workspace none", "none/dvc.lock: not there; give the folder of a finished run with --workspa"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(arguments, line, tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*arguments.split())
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {line}")
    assert list(tmp_path.iterdir()) == []


def another_models(stages):
    (models,) = [dep for dep in stages["compare"]["deps"] if dep["path"] == "models"]
    models["md5"] = "f" * 32


def test_only_a_whole_run_of_this_version_is_exported(workspace, tmp_path, run):
    for name in ("data", "models"):
        (tmp_path / name).symlink_to(workspace[0] / name)
    shutil.copytree(workspace[0] / "metrics", tmp_path / "metrics")
    folder = tmp_path / "metrics/leakage"
    path = folder / "leakage.json"
    known = path.read_text()
    other = known.replace("near_duplicates", "near")

    def rehashed(stages):
        for stage in stages.values():
            for entry in (*stage["deps"], *stage["outs"]):
                if entry["path"] == "metrics/leakage":
                    entry["md5"] = finished.md5(folder)

    for change, text, line in (
        (lambda stages: stages.pop("compare"), known, "expected a finished stage compare, found none; run dvc repro"),
        (another_models, known, "models/candidate is of another run: train@candidate wrote it anew, and compare has"),
        (dict, other, f"{folder}: not the file that dvc.lock knows, but another run's"),
        (rehashed, other, "metrics: expected what this version of kidneyct writes"),
    ):
        shutil.copy(workspace[0] / "dvc.lock", tmp_path)
        path.write_text(text)
        finished.relocked(tmp_path, change)
        status, out, err = run("export", tmp_path / "m.zip", "--workspace", tmp_path)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert line in err
        assert not (tmp_path / "m.zip").exists()
