"""`kidneyct grid` in a real throw-away DVC project."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kidneyct import __main__ as door
from kidneyct.experiments import experiments, grid
from kidneyct.experiments import grid_page as chart
from kidneyct.pipeline import lock
from kidneyct.pipeline.roles import ROLES

# Accuracy is known from the parameters; seed 1 collapses the control and leaves no interval, seed 9 fails.
WORK = """
import json, sys, yaml
from pathlib import Path
params = yaml.safe_load(Path("params.yaml").read_text())
if params["seed"] == 9:
    sys.exit("seed 9 fails")
accuracy = 0.5 + 0.25 * params["train"]["fraction"] + 0.0625 * params["seed"]
models = {}
for role in ("candidate", "control"):
    own = accuracy + 0.125 * (role == "candidate" and params["weights"] != "none")
    recalls = (0, 1) if role == "control" and params["seed"] == 1 else (0.5, 0.75)
    models[role] = {"accuracy": own, "macro_f1": own / 2, "recall": dict(zip("ab", recalls))}
interval = {"low": -0.0625, "high": 0.25} if params["seed"] == 0 else {}
headline = models | {
    "gap": {"accuracy": models["candidate"]["accuracy"] - models["control"]["accuracy"]} | interval,
    "leak": {"near_duplicates": 0.875},
    "without_network": {"majority_class": 0.5, "nearest_thumbnail": 0.9375, "linear_model": 0.625},
}
Path("metrics").mkdir(exist_ok=True)
Path("metrics/headline.json").write_text(json.dumps(headline))
"""
PIPELINE = """
stages:
  compare:
    cmd: python work.py
    deps: [work.py]
    params: [weights, seed, train.fraction]
    metrics:
      - metrics/headline.json:
          cache: false
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's folder and what `experiments.collect` finds there."""
    home = tmp_path_factory.mktemp("grid")
    folder = home / "project"
    folder.mkdir()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "DVC_NO_ANALYTICS": "1",
    }

    def run(*command):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    run("git", "init", "-q", "-b", "trunk")
    run("dvc", "init", "-q")
    for name, text in {"work.py": WORK, "dvc.yaml": PIPELINE, ".gitignore": "/plots\n"}.items():
        (folder / name).write_text(text)
    (folder / "params.yaml").write_text("weights: photographs\nseed: 0\ntrain: {fraction: 1.0}\n")
    run("dvc", "repro", "-q")
    run("git", "add", "-A")
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "t")
    # Fraction 1 with seed 0 is the commit's own run; seed 9 fails; the last stays in the queue.
    run("dvc", "exp", "run", "--queue", "-S", "seed=0,1", "-S", "train.fraction=0.25")
    run("dvc", "exp", "run", "--queue", "-n", "ninth", "-S", "seed=9")
    run("dvc", "exp", "run", "--queue", "-n", "first", "-S", "seed=1")
    run("dvc", "exp", "run", "--run-all", "-j", "1")
    run("dvc", "exp", "run", "--queue", "-S", "seed=range(2,3)")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, experiments.collect()


@pytest.fixture
def call(project, monkeypatch, capsys):
    """Call `kidneyct grid` in the project, whose experiments are read once: exit status, output and errors."""
    folder, collected = project
    monkeypatch.chdir(folder)
    monkeypatch.setattr(experiments, "collect", lambda: collected)

    def grid(*arguments):
        return door.main(["grid", *arguments]), *capsys.readouterr()

    return grid


@pytest.fixture
def swept(call):
    """Call `kidneyct grid` over a parameter; returns what it prints and the rows of its CSV."""

    def grid(parameter, *options):
        status, output, errors = call(parameter, *options)
        assert status == 0, errors
        with open(f"plots/grid-{parameter.replace('.', '-')}.csv", newline="") as file:
            return output, list(csv.DictReader(file))

    return grid


def test_seeds_are_averaged_at_each_fraction(swept):
    output, rows = swept("train.fraction")
    assert "Runs of different parameters: 4, of 5 finished.\nLeft out: 1 failed, 1 queued." in output
    rows = {(row["train.fraction"], row["role"]): row for row in rows}
    assert list(rows) == [(value, role) for value in ("0.25", "1") for role in ROLES]
    # 0.5 + 0.0625 + 0.125 and 0.0625 more with seed 1; the standard deviation of two is their distance / sqrt(2).
    row = rows["0.25", "candidate"]
    assert (row["runs"], row["collapsed"]) == ("2", "0")
    accuracies = [float(row[f"accuracy_{name}"]) for name in ("mean", "sd", "min", "max")]
    assert accuracies == pytest.approx([0.71875, 0.0625 / np.sqrt(2), 0.6875, 0.75], abs=1e-6)
    assert float(row["macro_f1_mean"]) == pytest.approx(0.359375, abs=1e-6)
    assert rows["1", "control"]["collapsed"] == "1"
    assert float(rows["1", "control"]["accuracy_max"]) == 0.8125


def test_the_chart_has_the_same_bytes_each_time(swept):
    swept("train.fraction")
    picture = Path("plots/grid-train-fraction.png")
    first = picture.read_bytes()
    swept("train.fraction")
    assert picture.read_bytes() == first
    assert Image.open(picture).size == (1575, 735)


def test_more_than_the_plotted_differs(call, swept):
    assert call("seed") == (
        2,
        "",
        "error: 4 runs: expected to differ in seed only, found train.fraction is 1.0 or 0.25; choose with --where "
        "train.fraction=1.0, or average over it with --replicate train.fraction\n",
    )
    _, rows = swept("seed", "--where", "train.fraction=1")
    assert [(row["seed"], row["role"], row["runs"]) for row in rows[::2]] == [
        ("0", "candidate", "1"),
        ("1", "candidate", "1"),
        ("all", "candidate", "2"),
    ]
    assert rows[0]["accuracy_sd"] == ""
    assert float(rows[-1]["accuracy_mean"]) == 0.78125  # the control's 0.75 and 0.8125
    _, rows = swept("seed", "--replicate", "train.fraction")
    assert [row["runs"] for row in rows] == ["2", "2", "2", "2", "4", "4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("seed", "--where", "weights=imagenet"), "with these --where values, found none of 5. Left out: 1 failed"),
        (("--where", "weights=imagenet"), "with these --where values, found none of 5. Left out: 1 failed"),
        (("train.fractoin",), "train.fractoin: expected a parameter of params.yaml, one of seed, train.fraction"),
        (("seed", "--where", "sed=1"), "--where sed: expected a parameter of params.yaml, one of seed,"),
        (("seed", "--where", "seed"), "--where seed: expected name=value, as --where weights=none"),
        (("seed", "--replicate", "fold"), "--replicate fold: expected a parameter of params.yaml, one of seed,"),
        (("--replicate", "seed"), "--replicate: expected a PARAMETER beside it"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(call, arguments, message):
    status, output, errors = call(*arguments)
    assert (status, output) == (2, "")
    assert errors.startswith("error: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_the_whole_command(project, monkeypatch, capsys):
    monkeypatch.chdir(project[0])
    assert door.main(["grid", "seed", "train.fraction", "--where", "train.fraction=0.25"]) == 0
    output = capsys.readouterr().out
    assert "plots/grid-seed.csv  plots/grid-seed.png" in output
    assert output.count("Runs of different parameters: 2, of 5 finished.") == 2


def test_without_a_parameter_every_run_is_a_line(call):
    status, output, _ = call()
    assert status == 0
    lines = output.splitlines()
    runs = {line.split()[0]: line.split()[1:] for line in lines[2:7]}
    assert max(map(len, lines)) <= 120
    assert list(runs)[:2] == ["workspace", "trunk"]
    own = ["0.8750", "0.7500", "+0.1250", "-0.0625", "to", "+0.2500", "0.8750", "0.9375", "seed=0", "train.fraction=1"]
    assert runs["workspace"] == runs["trunk"] == own
    assert runs["first"] == ["0.9375", "0.8125", "+0.1250", "0.8750", "0.9375", "seed=1", "train.fraction=1"]
    assert "Runs: 5, of 5 finished.\nLeft out: 1 failed, 1 queued.\n" in output


def test_the_overview_is_narrowed_and_shows_what_differs_then(call):
    _, output, _ = call("--where", "train.fraction=0.25")
    assert [line.split()[-1] for line in output.splitlines()[2:4]] in (["seed=0", "seed=1"], ["seed=1", "seed=0"])
    assert "Runs: 2, of 5 finished." in output
    _, output, _ = call("--where", "train.fraction=0.25", "--where", "seed=1")
    assert output.splitlines()[2].split()[-1] == "0.9375"  # nothing differs


def test_the_overview_fits_whatever_differs(project, monkeypatch, call):
    listed, files = project[1]
    for entry in listed[:2]:
        more = {"weights": "/".join(["somewhere"] * 9), **{f"long_name_{n}": 0.001 for n in range(9)}}
        data = entry["data"] | {"params": {"params.yaml": {"data": {"seed": 0} | more}}}
        monkeypatch.setitem(entry, "data", data)
        monkeypatch.setitem(entry, "name", "a-name-of-an-experiment-that-does-not-end")
        known = files[entry["rev"]]
        compare = known.lock.stages["compare"].model_copy(update={"params": {}})
        files = files | {entry["rev"]: known._replace(lock=lock.Lock(stages={"compare": compare}))}
    monkeypatch.setattr(experiments, "collect", lambda: (listed, files))
    _, output, _ = call()
    assert max(map(len, output.splitlines())) <= 120
    assert "\n…that-does-not-end  " in output
    assert "long_name_8=0.001" in output
    assert "weights=…mewhere/somewhere\n" in output


def test_no_project_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert door.main(["grid", "seed"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: dvc exp show --json: expected DVC's list of experiments, found: ERROR")
    assert message.count("\n") == 1


def test_the_chart_of_words_has_the_same_bytes(tmp_path):
    model = {"accuracy": 0.4, "macro_f1": 0.6, "recall": {"a": 0.5, "b": 0.5}}
    runs = [
        experiments.Run("", {"x": x, "seed": seed}, dict.fromkeys(ROLES, model), {})
        for seed in (0, 1)
        for x in ("none", "b")
    ]
    table = pd.concat([grid.points([run], "x") for run in runs])
    for name in ("1.png", "2.png"):
        chart.sweep(tmp_path / name, table, grid.summarise(table), "x", dict(zip(ROLES, "ab", strict=True)))
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
