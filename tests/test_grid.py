"""Grids over a real throw-away DVC project, and the pure functions on rows made by hand."""

import copy
import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kidneyct.page import figures
from kidneyct.runs import grid
from kidneyct.errors import InputError

# Accuracy is known from the parameters; seed 1 collapses the control, seed 9 fails.
WORK = """
import json, sys
from pathlib import Path
from ruamel.yaml import YAML
role, params = sys.argv[1], YAML(typ="safe").load(Path("params.yaml"))
if params["seed"] == 9:
    sys.exit("seed 9 fails")
accuracy = 0.5 + 0.25 * params["train"]["fraction"] + 0.0625 * params["seed"]
accuracy += 0.125 * (role == "candidate" and params["weights"] != "none")
recalls = (0, 1) if role == "control" and params["seed"] == 1 else (0.5, 0.75)
result = {"accuracy": accuracy, "macro_f1": accuracy / 2}
result |= {name: {"recall": recall, "support": 8} for name, recall in zip("ab", recalls)}
Path("metrics", role).mkdir(parents=True, exist_ok=True)
Path("metrics", role, "evaluation.json").write_text(json.dumps(result))
"""
PIPELINE = """
stages:
  evaluate:
    foreach: [candidate, control]
    do:
      cmd: python work.py ${item}
      deps: [work.py]
      params: [weights, seed, train.fraction]
      metrics:
        - metrics/${item}/evaluation.json:
            cache: false
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's folder and what `grid.collect` finds there."""
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

    run("git", "init", "-q")
    run("dvc", "init", "-q")
    for name, text in {"work.py": WORK, "dvc.yaml": PIPELINE, ".gitignore": "/plots\n"}.items():
        (folder / name).write_text(text)
    (folder / "params.yaml").write_text("weights: photographs\nseed: 0\ntrain: {fraction: 1.0}\n")
    run("dvc", "repro", "-q")
    run("git", "add", "-A")
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "t")
    # Fraction 1 with seed 0 is the commit's own run; seed 9 fails; the last stays in the queue.
    run("dvc", "exp", "run", "--queue", "-S", "seed=0,1", "-S", "train.fraction=0.25")
    run("dvc", "exp", "run", "--queue", "-S", "seed=1,9")
    run("dvc", "exp", "run", "--run-all", "-j", "1")
    run("dvc", "exp", "run", "--queue", "-S", "seed=range(2,3)")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, grid.collect()


@pytest.fixture
def report(project, monkeypatch, capsys):
    """Call `grid.report` in the project; returns what it prints and the rows of its CSV."""
    folder, collected = project
    monkeypatch.chdir(folder)

    def call(parameter, where=None, replicates=("seed",), collected=collected):
        grid.report(*collected, parameter, where or {}, replicates)
        with open(f"plots/grid-{parameter.replace('.', '-')}.csv", newline="") as file:
            return capsys.readouterr().out, list(csv.DictReader(file))

    return call


def test_seeds_are_averaged_at_each_fraction(report):
    output, rows = report("train.fraction")
    assert "Runs of different parameters: 4, of 5 finished.\nLeft out: 1 failed, 1 queued." in output
    rows = {(row["train.fraction"], row["role"]): row for row in rows}
    assert list(rows) == [(value, role) for value in ("0.25", "1") for role in ("candidate", "control")]
    # 0.5 + 0.0625 + 0.125 and 0.0625 more with seed 1; the standard deviation of two is their distance / sqrt(2).
    row = rows["0.25", "candidate"]
    assert (row["runs"], row["collapsed"]) == ("2", "0")
    found = [float(row[f"accuracy_{name}"]) for name in ("mean", "sd", "min", "max")]
    assert found == pytest.approx([0.71875, 0.0625 / np.sqrt(2), 0.6875, 0.75], abs=1e-6)
    assert float(row["macro_f1_mean"]) == pytest.approx(0.359375, abs=1e-6)
    assert rows["1", "control"]["collapsed"] == "1"
    assert float(rows["1", "control"]["accuracy_max"]) == 0.8125


def test_the_chart_has_the_same_bytes_each_time(report):
    report("train.fraction")
    picture = Path("plots/grid-train-fraction.png")
    first = picture.read_bytes()
    report("train.fraction")
    assert picture.read_bytes() == first
    assert Image.open(picture).size == (1575, 735)


def test_more_than_the_plotted_differs(report):
    with pytest.raises(InputError) as error:
        report("seed")
    assert str(error.value) == (
        "4 runs: expected to differ in seed only, found train.fraction is 1.0 or 0.25; choose with --where "
        "train.fraction=1.0, or average over it with --replicate train.fraction"
    )
    _, rows = report("seed", {"train.fraction": 1})
    assert [(row["seed"], row["role"], row["runs"]) for row in rows[::2]] == [
        ("0", "candidate", "1"),
        ("1", "candidate", "1"),
        ("all", "candidate", "2"),
    ]
    assert rows[0]["accuracy_sd"] == ""
    assert float(rows[-1]["accuracy_mean"]) == 0.78125  # the control's 0.75 and 0.8125
    _, rows = report("seed", replicates=("seed", "train.fraction"))
    assert [row["runs"] for row in rows] == ["2", "2", "2", "2", "4", "4"]


def test_nothing_chosen_and_unknown_names(report):
    with pytest.raises(
        InputError, match=r"expected finished runs with these --where values, found none of 5\. Left out"
    ):
        report("seed", {"weights": "imagenet"})
    with pytest.raises(InputError, match=r"train\.fractoin: expected a parameter of params"):
        report("train.fractoin")
    with pytest.raises(InputError, match="--where sed: expected a parameter"):
        report("seed", {"sed": 1})


def test_results_beside_edited_parameters_do_not_count(project, report):
    listed, locks = copy.deepcopy(project[1])
    listed[0]["data"]["params"]["params.yaml"]["data"]["weights"] = "none"
    output, _ = report("train.fraction", collected=(listed, locks))
    assert "Runs of different parameters: 4, of 4 finished." in output
    assert "other parameters than params.yaml's" in output


def test_the_command(project, monkeypatch, capsys):
    monkeypatch.chdir(project[0])
    grid.main(["seed", "train.fraction", "--where", "train.fraction=0.25"])
    output = capsys.readouterr().out
    assert "plots/grid-seed.csv  plots/grid-seed.png" in output
    assert output.count("Runs of different parameters: 2, of 5 finished.") == 2
    with pytest.raises(SystemExit, match="error: --where seed: expected name=value, as --where weights=none"):
        grid.main(["seed", "--where", "seed"])


def test_no_project_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        grid.main(["seed"])
    message = str(stopped.value)
    assert message.startswith("error: dvc exp show --json: expected DVC's list of experiments, found: ERROR")
    assert "\n" not in message


def evaluation(accuracy, recalls):
    return {"accuracy": accuracy, "macro_f1": accuracy, **{f"c{i}": {"recall": r} for i, r in enumerate(recalls)}}


def run(accuracy=0.5, recalls=(0.5, 0.5), **parameters):
    return grid.Run(parameters, dict.fromkeys(grid.ROLES, evaluation(accuracy, recalls)), {})


@pytest.mark.parametrize(
    ("recalls", "expected"),
    [((1, 0, 0), True), ((0, 0, 1), True), ((1, 0, 0.01), False), ((1, 1, 0), False), ((0, 0, 0), False)],
)
def test_collapse_is_one_class_only(recalls, expected):
    assert grid.collapsed(evaluation(0.4, recalls)) is expected


def test_values_come_in_order_words_as_words():
    numbers = grid.points([run(x=10), run(x=0.5), run(x=2)], "x")
    assert numbers["value"].tolist()[::2] == [0.5, 2, 10]
    words = grid.points([run(x="none"), run(x="imagenet"), run(x=3)], "x")
    assert words["value"].tolist()[::2] == ["3", "imagenet", "none"]


def test_equal_parameters_count_once_the_first_of_them():
    chosen = grid.choose([run(0.1, x=1, y=2), run(0.2, x=1, y=2), run(0.3, x=1, y=3)], {})
    assert [one.results["control"]["accuracy"] for one in chosen] == [0.1, 0.3]
    assert len(grid.choose([run(x="none"), run(x=None)], {"x": "none"})) == 1
    assert len(grid.choose([run(x=1), run(x=1.0), run(x=True), run(x="1")], {})) == 3


def test_lists_and_missing_parameters_differ_too():
    with pytest.raises(InputError, match=r"y is \['a'\] or \['a', 'b'\]"):
        grid.check_comparable([run(x=1, y=["a"]), run(x=2, y=["a", "b"])], "x", ("seed",))
    with pytest.raises(InputError, match="z is 0 or None"):
        grid.check_comparable([run(x=1, z=0), run(x=2)], "x", ("seed",))
    grid.check_comparable([run(x=1, seed=0, z=1), run(x=2, seed=1, z=1.0)], "x", ("seed",))


def test_the_chart_of_words_has_the_same_bytes(tmp_path):
    table = pd.concat([grid.points([run(a, x=x, s=s)], "x") for s, a in enumerate((0.4, 0.6)) for x in ("none", "b")])
    for name in ("1.png", "2.png"):
        figures.sweep(tmp_path / name, table, grid.summarise(table), "x", dict(zip(grid.ROLES, "ab", strict=True)))
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()
