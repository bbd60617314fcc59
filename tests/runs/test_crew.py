"""Several workers at a study's runs, with the real git and DVC, on a pipeline of which each stage takes no time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from kidneyct.experiments import crew, places, shared, study, worker
from kidneyct.pipeline.errors import InputError

STEP = """
import json, os, pathlib, signal, sys, time, yaml
stage, out = sys.argv[1:]
start = yaml.safe_load(open("params.yaml"))["weights"]
with open(os.environ["STEPS"], "a") as file:
    file.write(f"{stage} {start} {os.environ.get('OMP_NUM_THREADS')}\\n")
if stage == "features.candidate":
    if start == "broken":
        sys.exit("error: no such start: broken")
    seen = pathlib.Path(os.environ["STEPS"] + "." + start.split()[0])
    first = not seen.exists()
    seen.touch()
    if start == "killer" or start == "kills once" and first:
        os.kill(json.load(open("../worker.json"))["pid"], signal.SIGKILL)
        time.sleep(600)
    if start == "waits once" and first:
        time.sleep(600)
pathlib.Path(out).write_text(start if "candidate" in stage or stage == "compare" else stage)
"""
PIPELINE = {
    "download": {"cmd": "python step.py download data.txt", "deps": ["step.py"], "outs": ["data.txt"]},
    "features": {
        "foreach": {"candidate": "weights", "control": "seed"},
        "do": {
            "cmd": "python step.py features.${key} ${key}.txt",
            "deps": ["step.py", "data.txt"],
            "params": ["seed", "${item}"],
            "outs": ["${key}.txt"],
        },
    },
    "train": {
        "cmd": "python step.py train train.txt",
        "deps": ["step.py", "control.txt"],
        "params": ["split.fold"],
        "outs": ["train.txt"],
    },
    "compare": {
        "cmd": "python step.py compare answer.txt",
        "deps": ["step.py", "candidate.txt", "train.txt"],
        "params": ["split.fold"],
        "outs": [{"answer.txt": {"cache": False}}],
    },
}
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
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    Path("step.py").write_text(STEP)
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": PIPELINE}))
    Path("params.yaml").write_text(yaml.safe_dump(VALUES))
    Path(".gitignore").write_text("/.study/\n*.txt\n!answer.txt\n")
    Path(".dvcignore").write_text(".study\n")
    git("init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    commit()
    return folder


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def commit():
    git("add", "-A")
    git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "toy")


def run(start, fold=0, seed=0):
    changes = {"weights": start, "split.fold": fold, "seed": seed}
    return study.Run(start, "fold", fold, seed, changes, f"{start.replace(' ', '-')}-{fold}-{seed}")


def needs(runs):
    of = {each.name: VALUES | {"weights": each.arm, "seed": each.seed, "split": {"fold": each.fold}} for each in runs}
    return {name: shared.needs(values, "compare") for name, values in of.items()}


def begun(runs, count=2, ready=()):
    return crew.work(runs, needs(runs), ready, count, places.Local(count), "study.log")


def steps():
    return [line.rsplit(" ", 1)[0] for line in Path(os.environ["STEPS"]).read_text().splitlines()]


def answers():
    """What the finished experiments hold, by name."""
    return {name: git("show", f"{revision}:answer.txt") for name, revision in study.finished().items()}


def left_running():
    """Processes at work in a worker's clone."""
    found = []
    for process in psutil.process_iter():
        try:
            found += [process] if Path(process.cwd()).is_relative_to(Path(".study").absolute()) else []
        except psutil.Error:
            continue
    return found


def test_what_runs_share_is_computed_once(project):
    """Two starts, two folds: as often as one worker would, and each run is there for DVC as ever."""
    runs = [run(start, fold) for fold in (0, 1) for start in ("a", "b")]
    Path("step.py").write_text(STEP + "# not committed\n")
    events = list(begun(runs))
    finished = [event.run for event in events if isinstance(event, crew.Finished)]
    assert sorted(finished) == sorted(runs)
    assert events[:2] == [crew.Started(runs[0]), crew.Finished(runs[0], events[1].seconds)]  # alone: all share data.txt
    assert answers() == {each.name: each.arm for each in runs}
    once = ["download a", "features.candidate a", "features.candidate b", "features.control a"]
    computed = [step for step in steps() if not step.startswith(("compare", "train"))]
    assert sorted(computed) == once
    assert len([step for step in steps() if step.startswith("train")]) == 2  # once a fold
    cores = places.processors()
    assert {line.split()[-1] for line in Path(os.environ["STEPS"]).read_text().splitlines()} == {
        str(max(1, cores // 2))
    }
    assert git("show", f"{study.finished()[runs[0].name]}:step.py").endswith("# not committed\n")
    assert git("status", "--short").split() == ["M", "step.py", "??", "study.log"]
    assert not list(Path(".study").glob("[0-9]*"))  # no clone stays
    said = Path("study.log").read_text()
    assert [said.count(f"$ dvc exp run -n {each.name} ") for each in runs] == [1] * 4
    listed = json.loads(subprocess.check_output([sys.executable, "-m", "dvc", "exp", "show", "--json"]))
    assert {each["name"] for entry in listed for each in entry["experiments"] or []} == {each.name for each in runs}


def test_a_killed_worker_loses_its_own_run_only_and_what_fails_by_itself_is_told(project, monkeypatch):
    monkeypatch.setattr(crew, "TRIES", 2)
    runs = [run("broken"), run("killer"), run("kills once")]
    events = list(begun(runs))
    assert {(event.run.arm, event.why, event.tried) for event in events if isinstance(event, crew.Lost)} == {
        ("killer", "signal 9", 1),
        ("kills once", "signal 9", 1),
    }
    failed = {event.run.arm: str(event.error) for event in events if isinstance(event, crew.Failed)}
    assert failed.keys() == {"broken", "killer"}
    assert failed["broken"].startswith("broken-0-0: error: no such start: broken ERROR: failed to reproduce")
    assert failed["killer"] == "killer-0-0: killed 2 times (signal 9); call again for more tries"
    tried = [step.split(" ", 1)[1] for step in steps() if step.startswith("features.candidate")]
    assert sorted(tried) == ["broken", "killer", "killer", "kills once", "kills once"]
    assert answers() == {"kills-once-0-0": "kills once"}
    assert left_running() == []  # what a dead worker had started is ended, though it would have slept on


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ERROR: failed to reproduce 'train': failed to run: python -m stages.train, exited with -9", True),
        ("ERROR: failed to reproduce 'train': failed to run: python -m stages.train, exited with 137", True),
        ("ERROR: failed to reproduce 'train': failed to run: python -m stages.train, exited with 143", True),
        ("exited with -9\nERROR: failed to reproduce 'train': failed to run: x, exited with 1", False),
        ("Running stage 'train':\nERROR: Git user name and email must be configured", False),
        ("", False),
    ],
)
def test_a_stage_that_was_killed_is_told_from_one_that_failed(said, expected):
    assert worker.killed(said) is expected


def until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_closed_in_the_middle_it_stops_all_and_the_next_call_goes_on(project):
    runs = [run("waits once")]
    events = begun(runs)
    assert next(events) == crew.Started(runs[0])
    until(lambda: Path(os.environ["STEPS"]).exists() and "features.candidate waits once" in steps())
    with pytest.raises(InputError, match="another kidneyct study is at work in this folder"):
        next(begun(runs))
    assert left_running()
    events.close()
    assert left_running() == []
    assert answers() == {}
    assert [type(event) for event in begun(runs)] == [crew.Started, crew.Finished]
    assert steps().count("download waits once") == 1  # what was finished is not lost
    assert answers() == {"waits-once-0-0": "waits once"}


def test_workers_of_a_call_that_was_killed_are_ended_by_the_next(project):
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\nfrom runs import test_crew as t\nlist(t.begun([t.run('waits once')]))"
    )
    first = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parents[1])])
    until(lambda: Path(os.environ["STEPS"]).exists() and "features.candidate waits once" in steps())
    first.send_signal(signal.SIGKILL)
    first.wait()
    old = left_running()
    assert old
    assert [type(event) for event in begun([run("waits once")])] == [crew.Started, crew.Finished]
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in old)
    assert answers() == {"waits-once-0-0": "waits once"}


def test_a_run_goes_on_in_the_folder_where_it_was_left(project):
    """Also where fewer workers are asked for than before."""
    for number, name in ((1, "done-0-0"), (2, "a-0-0"), (3, "done-1-0")):
        folder = Path(f".study/{number}")
        folder.mkdir(parents=True)
        worker.write(folder / worker.TASK, {"token": "1", "name": name})
        (folder / worker.LOG).write_text(f"told by {number}\n")
    events = begun([run("a"), run("b")], count=1)
    assert next(events) == crew.Started(run("a"))
    assert [path.parent.name for path in Path(".study").glob("*/worker.log")] == ["2"]
    assert [type(event) for event in events] == [crew.Finished, crew.Started, crew.Finished]
    assert answers() == {"a-0-0": "a", "b-0-0": "b"}
    assert Path("study.log").read_text().startswith("told by")


def test_a_worker_that_may_be_at_work_elsewhere_is_not_worked_beside(project):
    Path(".study/1").mkdir(parents=True)
    worker.write(Path(".study/1/worker.json"), {"host": "elsewhere", "pid": 1, "group": 1, "started": 0, "slurm": None})
    with pytest.raises(
        InputError, match=r"worker\.json: a worker of an earlier call may still be at work on elsewhere"
    ):
        next(begun([run("a")]))


def test_a_worker_that_starts_too_late_does_nothing(project):
    Path(".study/1").mkdir(parents=True)
    worker.write(Path(".study/1/task.json"), {"token": "new"})
    assert worker.work(".study/1", "old") == 0
    assert not Path(".study/1/clone").exists()
    assert not Path(".study/1/outcome.json").exists()
