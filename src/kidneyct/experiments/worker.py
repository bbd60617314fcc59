"""What a worker does: one experiment in a clone of its own, its result sent to the project that the clone is of.

A worker is a process, here or on another machine that sees the same files. It works in a folder `.study/<number>/`:

    task.json    what to do, written by `kidneyct study`
    worker.json  who does it
    clone/       where it is done
    log          what was said
    outcome.json how it ended, there only where it came to an end by itself
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from kidneyct.files import checkpoint
from kidneyct.files.atomic import atomic_write

TASK, WORKER, OUTCOME, LOG, CLONE = "task.json", "worker.json", "outcome.json", "log", "clone"
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)  # the last is what Slurm sends before the time is up
PATIENCE = 10  # seconds that a run has to end once it is asked to
PUSHES = 3  # another worker's may be in the way


class Task(NamedTuple):
    """What a worker is to do."""

    token: str  # a worker with another one came too late, and does nothing
    name: str  # the experiment's
    words: list  # for `dvc exp run`, the name included
    project: str  # absolute path of the repository
    within: str  # the project's folder in it
    commit: str
    changes: str  # path of a patch: what was not committed
    identity: dict  # of whom DVC's commits are: name, email
    settings: str  # path of the project's .dvc/config.local, as the clones have it


def write(path, value):
    """A JSON file that is whole or not there."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value) + "\n")


def read(path):
    """A JSON file, or None where there is none."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        return None


def cause(said):
    """The lines that tell why DVC failed, as one, of all that it said."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join([line for line in lines if line.lower().startswith("error:")] or lines[-1:])


def killed(said):
    """Whether a stage was ended from outside, which a run of it may survive another time."""
    ends = re.findall(r"exited with (-?\d+)", cause(said))
    return any(int(end) < 0 or int(end) > 128 for end in ends)


def work(folder, token):
    """Do what the folder's task says; returns the exit status."""
    folder = Path(folder).absolute()
    end_left(folder)
    me = {"host": socket.gethostname(), "pid": os.getpid(), "group": os.getpgrp()}
    job = {"started": psutil.Process().create_time(), "slurm": os.environ.get("SLURM_JOB_ID")}
    write(folder / WORKER, me | job)
    found = read(folder / TASK)
    if not found or found["token"] != token:
        return 0
    task = Task(**found)
    stopped = []
    for number in STOPPING:
        signal.signal(number, lambda number, frame: stopped.append(number))
    with (folder / LOG).open("w+", encoding="utf-8", errors="replace") as log:

        def call(command, where):
            """Whether a command of the run went well; where this worker is to end, it is ended."""
            process = subprocess.Popen(
                command, cwd=where, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
            while process.poll() is None and not stopped:
                try:
                    process.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
            if stopped:
                _end(process)
            return not stopped and process.returncode == 0

        print(f"$ dvc exp run {' '.join(task.words)}", file=log, flush=True)
        dvc = [sys.executable, "-m", "dvc", "exp"]
        inside = folder / CLONE / task.within
        done = _prepare(folder / CLONE, task, call) and call([*dvc, "run", *task.words], inside)
        for pause in range(1, PUSHES + 1):
            if done and call([*dvc, "push", "--no-cache", "origin", task.name], inside):
                break
            if not done or pause == PUSHES:
                done = False
                break
            time.sleep(pause)
        log.seek(0)
        said = log.read()
    if stopped:
        return 128 + stopped[0]
    if not done and killed(said):
        write(folder / OUTCOME, {"token": token, "killed": cause(said)})
    else:
        write(folder / OUTCOME, {"token": token, "error": None if done else cause(said)})
    return 0


def end_left(folder):
    """End the worker that was at work in a folder on this machine, and what it left running when it was killed."""
    known = read(folder / WORKER)
    if not known or known["host"] != socket.gethostname():
        return
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            itself = process.pid == known["pid"] and abs(process.create_time() - known["started"]) < 1
            inside = Path(process.cwd()).is_relative_to(folder.absolute()) and os.getpgid(process.pid) == known["group"]
            if itself or inside:
                members.append(process)
    for member in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(members, timeout=PATIENCE)
    (folder / WORKER).unlink()


def _end(process):
    """End a process and all that it has started: politely first, as a stage then leaves nothing half done."""
    with contextlib.suppress(psutil.NoSuchProcess):
        each = psutil.Process(process.pid)
        family = [each, *each.children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.terminate()
        for member in psutil.wait_procs(family, timeout=PATIENCE)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()


def _environment():
    """The environment of the run; on Slurm it uses the processors that the job was given."""
    given = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
    return os.environ | (threads(int(given)) if given else {})


def threads(count):
    """Environment variables that keep a run to so many threads; what the user has set stays."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return {name: str(count) for name in names if name not in os.environ}


def _prepare(clone, task, call):
    """A new clone of the project, as it was when the study started, and with what an interrupted run left.

    New, as a worker that was killed may have left locks and half an experiment.
    """
    inside = clone / task.within
    kept = clone.with_name(checkpoint.FOLDER)
    if (inside / checkpoint.FOLDER).exists():
        shutil.rmtree(kept, ignore_errors=True)
        os.replace(inside / checkpoint.FOLDER, kept)
    shutil.rmtree(clone, ignore_errors=True)
    identity = [word for key, value in task.identity.items() for word in ("--config", f"user.{key}={value}")]
    steps = [
        ["git", "clone", "--quiet", "--no-checkout", *identity, task.project, str(clone)],
        ["git", "-C", str(clone), "checkout", "--quiet", "--detach", task.commit],
    ]
    if Path(task.changes).stat().st_size:
        steps.append(["git", "-C", str(clone), "apply", "--index", "--whitespace=nowarn", task.changes])
    if not all(call(step, clone.parent) for step in steps):
        return False
    shutil.copyfile(task.settings, inside / ".dvc" / "config.local")
    if kept.exists():
        os.replace(kept, inside / checkpoint.FOLDER)
    return True


if __name__ == "__main__":
    sys.exit(work(*sys.argv[1:]))
