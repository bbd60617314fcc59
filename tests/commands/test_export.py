"""`kidneyct export`, and `kidneyct predict --model` of what it wrote."""

import json
import shutil
from pathlib import Path

import finished
import pytest
import whole_run
from PIL import Image

from kidneyct import __main__ as door
from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.predict import model_file, trained_model


def run(capsys, *arguments):
    status = door.main([*map(str, arguments)])
    return status, *capsys.readouterr()


@pytest.fixture(scope="module")
def exported(workspace, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "candidate.zip"
    assert door.main(["export", str(path), "--workspace", str(workspace[0])]) == 0
    return path


@pytest.fixture
def inputs(tmp_path):
    """Two images of the training series, one that is like none, and one that is no image."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, picture in enumerate([*whole_run.slices(0, 2), 255 - whole_run.slices(1, 1)[0]]):
        Image.fromarray(picture).save(folder / f"{number}.png")
    (folder / "text.jpg").write_text("no picture")
    return folder


def test_an_exported_model_says_what_the_run_says(workspace, exported, inputs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no project
    outputs = []
    for number, source in enumerate((("--workspace", workspace[0]), ("--model", exported))):
        outputs.append(run(capsys, "predict", inputs, *source, "--json", "--explain", f"maps{number}"))
    assert outputs[0] == outputs[1]
    assert outputs[0][0] == 1  # text.jpg
    assert [result["unlike"] for result in json.loads(outputs[0][1])["predictions"]] == [False, False, True]
    for name in ("0.png", "1.png", "2.png"):
        assert Path("maps0", name).read_bytes() == Path("maps1", name).read_bytes()


def test_without_thumbnails_likeness_can_t_be_told(workspace, exported, inputs, tmp_path, capsys):
    path, before = tmp_path / "m.zip", exported.read_bytes()
    assert run(capsys, "export", exported, "--workspace", workspace[0])[:2] == (  # over its own
        0,
        f"{exported}: the candidate of this run, 56 MiB, with the thumbnails of 16 training images: pictures of "
        "patients, where those are; --without-thumbnails leaves them out\n"
        "Use it anywhere: kidneyct predict --model candidate.zip scan.png\nResearch software, not for clinical use.\n",
    )
    assert exported.read_bytes() == before
    status, out, _ = run(capsys, "export", path, "--workspace", workspace[0], "--without-thumbnails")
    told = "without the thumbnails of the 16 training images: predict can't tell likeness"
    assert (status, out.splitlines()[0]) == (0, f"{path}: the candidate of this run, 56 MiB, {told}")
    results = {}
    for file in (path, exported):
        status, out, err = run(capsys, "predict", inputs / "2.png", "--model", file, "--json")
        assert (f"{path}: holds no training thumbnails, so likeness can't be told\n" in err) == (file == path)
        (results[file],) = json.loads(out)["predictions"]
    assert results[path] == results[exported] | {"likeness": None, "unlike": None}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["predict", "a.png", "--model", "m", "--role", "control"],
            "--model: the file holds one model and needs no run; leave out --role",
        ),
        (
            ["predict", "a.png", "--model", "m"],
            "m: expected a model that kidneyct export wrote, found no such file; give the file that kidneyct export "
            "wrote",
        ),
        (
            ["export", "x.zip", "--workspace", "none"],
            "none/dvc.lock: not there; give the folder of a finished run with --workspace, or run dvc repro",
        ),
    ],
)
def test_what_is_asked_wrongly_is_one_line(arguments, line, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, *arguments) == (2, "", f"error: {line}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def copy(workspace, tmp_path):
    """The run in a folder whose dvc.lock and metrics a test may change."""
    for name in ("data", "models"):
        (tmp_path / name).symlink_to(workspace[0] / name)
    shutil.copytree(workspace[0] / "metrics", tmp_path / "metrics")
    shutil.copy(workspace[0] / "dvc.lock", tmp_path)
    return tmp_path


def relocked(folder, change):
    tree = yaml12.read(folder / "dvc.lock")
    change(tree["stages"])
    finished.write(folder, tree)


def another_models(stages):
    (models,) = [dep for dep in stages["compare"]["deps"] if dep["path"] == "models"]
    models["md5"] = "f" * 32


def another_batch(stages):
    stages["train@control"]["params"]["params.yaml"]["train.batch_size"] = 9


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda stages: stages.pop("compare"), "expected a finished stage compare, found none; run dvc repro"),
        (another_models, "models/candidate is of another run: train@candidate wrote it anew, and compare has not been"),
        (another_batch, "was run with train.batch_size: "),
    ],
)
def test_a_mixed_or_unfinished_run_is_not_exported(copy, change, line):
    relocked(copy, change)
    with pytest.raises(InputError) as error:
        trained_model.finished(copy, "candidate")
    assert str(error.value).startswith(f"{copy / 'dvc.lock'}: ")
    assert line in str(error.value)


def test_every_number_is_the_one_that_the_lock_knows_and_this_version_writes(copy, capsys):
    path, folder = copy / "metrics/leakage/leakage.json", copy / "metrics/leakage"
    path.write_text(path.read_text().replace("near_duplicates", "near"))
    command = ("export", copy / "m.zip", "--workspace", copy)
    line = f"error: {folder}: not the file that dvc.lock knows, but another run's; run dvc checkout for the one of"
    assert run(capsys, *command) == (2, "", f"{line} dvc.lock, or dvc repro for a new one\n")

    def known(stages):
        for stage in stages.values():
            for entry in (*stage["deps"], *stage["outs"]):
                if entry["path"] == "metrics/leakage":
                    entry["md5"] = finished.md5(folder)

    relocked(copy, known)
    line = "error: metrics: expected what this version of kidneyct writes, found otherwise ('dict object' has no"
    assert run(capsys, *command) == (2, "", f"{line} attribute 'near_duplicates'); run dvc repro\n")
    assert not (copy / "m.zip").exists()


def test_weights_of_another_architecture_are_refused(exported, inputs, capsys, monkeypatch):
    """The description asks for more units than the weights have; nothing is built for them."""
    role, model = model_file.read(exported)
    monkeypatch.setattr(model_file, "read", lambda path: (role, model._replace(dense_units=17)))
    line = "weights.safetensors: expected float32 (512, 17) as dense/kernel, found float32 (512, 16); ask for the file"
    expected = f"error: {exported}: {line} again, or make it anew with kidneyct export\n"
    assert run(capsys, "predict", inputs / "0.png", "--model", exported) == (2, "", expected)
