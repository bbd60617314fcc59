"""A study's runs with the real git and DVC, on a pipeline of which each stage takes no time."""

import contextlib
import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nursery
import psutil
import pytest
import yaml

from kidneyct.experiments import engine, study
from kidneyct.pipeline import params

STEP = """
import os, pathlib, sys, time, yaml
stage, out = sys.argv[1:]
start = yaml.safe_load(open("params.yaml"))["weights"]
with open(os.environ["STEPS"], "a") as file:
    file.write(f"{stage} {start}\\n")
if stage == "features.candidate" and start == "broken":
    sys.exit("error: no such start: broken")
if stage == "features.candidate" and start == "waits":
    pathlib.Path(".unfinished").mkdir(exist_ok=True)
    if not pathlib.Path(".unfinished/left").exists():
        pathlib.Path(".unfinished/left").touch()
        time.sleep(600)
pathlib.Path(out).write_text(start if "candidate" in stage or stage == "compare" else stage)
"""
PIPELINE = """
stages:
  download: {cmd: python step.py download data.txt, deps: [step.py], outs: [data.txt]}
  features:
    foreach: {candidate: weights, control: seed}
    do:
      cmd: python step.py features.${key} ${key}.txt
      deps: [step.py, data.txt]
      params: [seed, "${item}"]
      outs: ["${key}.txt"]
  train: {cmd: python step.py train train.txt, deps: [step.py, control.txt], params: [split.fold], outs: [train.txt]}
  compare:
    cmd: python step.py compare answer.txt
    deps: [step.py, candidate.txt, train.txt]
    params: [split.fold]
    outs: [{answer.txt: {cache: false}}]
"""
VALUES = {"weights": "a", "seed": 0, "split": {"fold": 0}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("STEPS", str(tmp_path / "steps"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(study.__file__).parents[2]))
    Path("step.py").write_text(STEP)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("params.yaml").write_text(yaml.safe_dump(VALUES))
    Path(".gitignore").write_text("/.study/\n*.txt\n!answer.txt\n/.unfinished/\n")
    Path(".dvcignore").write_text(".study\n")
    git("init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    git("add", "-A")
    git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "toy")
    return folder


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def run(start, fold=0, seed=0):
    changes = {"weights": start, "split.fold": fold, "seed": seed}
    needs = frozenset(study.digests(study.resolved_stages("compare"), study.changed(VALUES, changes)).values())
    return study.Run(start, "fold", fold, seed, changes, f"{start}-{fold}", needs=needs)


def made(runs, jobs=1):
    """How each run ended, name -> what was amiss; each of them begins before it ends."""
    began, ended = [], {}
    for own, error in engine.execute(runs, [], jobs):
        if error is None:
            began.append(own)
        else:
            assert own in began
            said = Path(f".study/{own.name}.log").read_text()
            assert said.startswith(f"$ dvc exp run -n {own.name} -S weights='{own.arm}' ")
            ended[own.name] = error
    return ended


def steps():
    return sorted(Path(os.environ["STEPS"]).read_text().splitlines())


def answers():
    """What the finished experiments hold, by name."""
    return {name: git("show", f"{revision}:answer.txt") for name, revision in engine.finished().items()}


def test_what_runs_share_is_computed_once_and_what_fails_is_told(project, monkeypatch):
    """Two starts, one of them broken, two folds; each run is there for DVC, with what was not committed.

    On Ray where it is there; it is not imported, as it would read a setting too early.
    """
    monkeypatch.setattr(sys, "executable", nursery.python())
    for variable in nursery.ENVIRONMENT.items():
        monkeypatch.setenv(*variable)
    jobs = 2 if importlib.util.find_spec("ray") else 1
    runs = [run("a", 0), run("broken", 0), run("a", 1)]
    # Of five stages `download`, and with another start the control's features and what is trained on them; with another
    # fold both features.
    others = (runs[0], run("b"), runs[2], run("a", seed=1))
    assert [len(runs[0].needs & other.needs) for other in others] == [5, 1 + 2, 1 + 2, 1]
    Path("step.py").write_text(STEP + "# not committed\n")
    assert not runs[0].needs & run("a").needs
    ended = made(runs, jobs)
    assert ended.pop("broken-0").startswith("error: no such start: broken ERROR: failed to reproduce")
    assert ended == {"a-0": "", "a-1": ""}
    assert answers() == {"a-0": "a", "a-1": "a"}
    once = [step for step in steps() if not step.startswith(("compare", "train"))]
    assert once == ["download a", "features.candidate a", "features.candidate broken", "features.control a"]
    assert len([step for step in steps() if step.startswith("train")]) == 2  # once a fold
    assert git("show", f"{engine.finished()['a-1']}:step.py").endswith("# not committed\n")
    assert git("status", "--short").split() == ["M", "step.py"]
    assert [path.name for path in Path(".study").iterdir() if path.is_dir()] == ["broken-0"]  # no other clone stays


def until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def at_work():
    """Processes in a run's clone."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(Path(".study").absolute()) and process.status() != "zombie":
                yield process


def test_a_study_that_is_stopped_ends_its_run_and_the_next_goes_on_with_it(project):
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from kidneyct.pipeline import errors\nfrom experiments import test_engine as t\n"
        "sys.exit(errors.run_main(lambda: t.made([t.run('waits')])))"
    )
    first = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parents[1])], stderr=subprocess.PIPE)
    until(lambda: list(Path(".study").glob("*/clone/.unfinished/left")))
    first.send_signal(signal.SIGTERM)
    assert (first.communicate()[1], first.returncode) == (b"terminated\n", 143)
    assert list(at_work()) == []
    assert made([run("waits")]) == {"waits-0": ""}  # which waits no second time
    assert answers() == {"waits-0": "waits"}


def test_a_run_that_another_call_is_at_work_on_is_left_to_it(project):
    folder = Path(".study/a-0")
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        error = engine.experiment("a-0", [], None, Path(".study"))
    assert error.startswith("another call is at work on it, or what one left running in .study/a-0")


def test_values_in_dvcs_grammar():
    values = [0.001, "none", [0.0001, 0.001], "/a b/it's.h5", "$(touch x)"]
    written = ["0.001", "'none'", "[0.0001,0.001]", r"'/a b/it\'s.h5'", "'$(touch x)'"]
    assert list(map(params.override, values)) == written
