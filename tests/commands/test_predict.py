"""`kidneyct predict`: which class, how sure, does the image look like the training images? And `kidneyct export`."""

import json
import os
import shutil
from pathlib import Path

import ct
import finished
import numpy as np
import pytest
from PIL import Image
from whole_run import CLASSES, SIDE

from kidneyct import __main__ as door
from kidneyct.images import decoding, grey, window


def test_probabilities_are_the_networks_and_bad_files_are_named(workspace, inputs, run):
    folder, network = workspace
    status, out, err = run("predict", inputs, "--workspace", folder, "--json")
    document = json.loads(out)
    assert status == 1
    assert [Path(result["file"]).name for result in document["predictions"]] == ["0.png", "1.png", "2.png"]
    pixels = np.stack([decoding.tensor(Image.open(inputs / f"{n}.png").convert("RGB"), SIDE) for n in range(3)])
    expected = network.predict(pixels, verbose=0)
    for result, row in zip(document["predictions"], expected, strict=True):
        assert list(result["probabilities"].values()) == pytest.approx(row, abs=1e-5)
        assert result["class"] == CLASSES[row.argmax()]
        assert result["probability"] == pytest.approx(row.max(), abs=1e-5)
        assert result["unlike"] == (result["file"] == str(inputs / "2.png"))
    reasons = {Path(problem["file"]).name: problem["error"] for problem in document["errors"]}
    assert reasons.keys() == {"text.jpg", "cut.jpg"}
    assert reasons["text.jpg"] == "not a readable image (no known format); replace or remove it"
    assert "truncated" in reasons["cut.jpg"]
    assert err.count("error: ") == 2
    assert "not for clinical use" in err


def test_images_give_a_table_and_pictures_and_one_that_can_t_be_written_is_named(workspace, inputs, tmp_path, run):
    copy, long, broken = (tmp_path / name for name in ("0.png", "n" * 255, os.fsdecode(b"b\xe9d\n.png")))
    for file in (copy, long, broken):
        file.write_bytes((inputs / "0.png").read_bytes())
    drawn = tmp_path / "drawn"
    files = (inputs / "0.png", long, broken, copy, copy)  # one of them twice
    status, out, err = run("predict", *files, "--workspace", workspace[0], "--explain", drawn)
    assert status == 1
    first, *lines = out.splitlines()
    assert first.split()[0] == "file"
    assert [line.split()[0] for line in (lines[0], lines[3])] == [str(inputs / "0.png"), str(copy)]
    assert lines[2].startswith(f"'{tmp_path}/b\\udce9d\\n.png'  ")
    assert sorted(os.listdir(os.fsencode(drawn))) == [b"0-2.png", b"0.png", b"b\xe9d\n.png"]
    assert Image.open(drawn / "0.png").size[0] > 600
    assert ": its maps are not written: " in err
    assert "File name too long" in err


def test_images_are_seen_as_the_run_s_were(workspace, tmp_path, run):
    """As dvc.lock has it: DICOM through another window than the file's own, and matched greys."""
    folder, other = workspace[0], tmp_path / "other"
    shutil.copytree(folder, other)
    seen = {"preprocess.window": [-500, 1500], "preprocess.grey": "matched"}
    finished.relocked(other, lambda stages: stages["preprocess"]["params"]["params.yaml"].update(seen))
    ct.put(tmp_path, {"scan": ct.file(WindowCenter=40, WindowWidth=80), "mr": ct.shipped("MR_small.dcm")})
    for number, (window_, changed) in enumerate((((40, 80), np.asarray), ((-500, 1500), grey.matched))):
        Image.fromarray(changed(window.linear(ct.RAMP - 1024, *window_))).save(tmp_path / f"{number}.png")
    files = [tmp_path / name for name in ("scan", "0.png", "1.png")]
    plain, *expected = json.loads(run("predict", *files, "--workspace", folder, "--json")[1])["predictions"]
    status, out, err = run("predict", files[0], tmp_path / "mr", "--workspace", other, "--json")
    for scan, result in zip([plain, *json.loads(out)["predictions"]], expected, strict=True):
        for name in ("probability", "probabilities"):  # the last digits may go with the place in a batch
            assert scan.pop(name) == pytest.approx(result.pop(name), abs=1e-4)
        assert scan | {"file": ""} == result | {"file": ""}
    assert (status, f"error: {tmp_path / 'mr'}: no CT image but MR Image Storage\n" in err) == (1, True)


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
        ("export x.zip --workspace none", "none/dvc.lock: not there; give a finished run's folder with --workspa"),
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
        (another_models, known, "models/candidate is of another run: train@candidate wrote it again, and compare has"),
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
