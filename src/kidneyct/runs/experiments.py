"""DVC's experiments: which runs are finished, what they were made with and what came out."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from kidneyct import yaml12
from kidneyct.errors import InputError
from kidneyct.roles import ROLES

HEADLINE = "metrics/headline.json"
MEASURED = {"accuracy", "macro_f1", "recall"}  # of each role in there, once its model has been evaluated
STALE = "results in the workspace or the commit that other parameters than params.yaml's made"


class Run(NamedTuple):
    """A finished run."""

    name: str  # the experiment's; "workspace"; the commit's branch, or the beginning of its hash
    parameters: dict  # by dotted name
    headline: dict  # metrics/headline.json
    code: dict  # hash of each Python file that went into it


def collect():
    """DVC's experiments on the current commit, with the workspace and the commit itself: `runs`'s two arguments."""
    listed = json.loads(_output(sys.executable, "-m", "dvc", "exp", "show", "--json"))
    lock = Path("dvc.lock")
    locks = {"workspace": lock.read_text() if lock.exists() else ""}
    for entry in listed[1:]:
        locks[entry["rev"]] = _output("git", "show", f"{entry['rev']}:./dvc.lock", missing="")
    return listed, {rev: _parsed(text) for rev, text in locks.items()}


def _output(*command, missing=None):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    if missing is not None:
        return missing
    reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
    raise InputError(
        f"{' '.join(command[-4:])}: expected DVC's list of experiments, found: {reason}; run in the project"
    )


def _parsed(lock):
    try:
        return yaml12.load(lock) or {}
    except yaml12.Error:  # such as with a merge's conflict in it; DVC says so
        return {}


def runs(listed, locks):
    """Finished runs, the workspace's first, then the commit's and its experiments'; and what does not count, in words.

    `listed` is what `dvc exp show --json` prints, `locks` the dvc.lock of the workspace and of the commit. A queued,
    running or failed experiment shows numbers of the commit that it started from, and an edited params.yaml
    stands beside the results of the last run: neither counts.
    """
    finished, unfinished, stale = [], Counter(), []
    for entry in listed:
        run = _run(entry)
        if run and _made_with(run.parameters, locks.get(entry["rev"], {})):
            finished.append(run)
        elif run:
            stale = [STALE]
        for experiment in entry["experiments"] or []:
            state = (experiment["executor"] or {}).get("state", "success")
            run = _run(experiment["revs"][0]) if state == "success" else None
            if run:
                finished.append(run)
            else:
                unfinished["without results" if state == "success" else state] += 1
    return finished, [f"{count} {state}" for state, count in sorted(unfinished.items())] + stale


def _run(entry):
    """The run of one entry of the list, or None where its results are not complete."""
    data = entry["data"]
    if not data or entry["error"]:
        return None
    headline = data["metrics"].get(HEADLINE, {}).get("data") or {}
    parameters = data["params"].get("params.yaml", {}).get("data")
    if not parameters or not all(headline.get(role, {}).keys() >= MEASURED for role in ROLES):
        return None
    code = {path: dep["hash"] for path, dep in data["deps"].items() if path.endswith(".py")}
    return Run(entry["name"] or entry["rev"][:9], _dotted(parameters), headline, code)  # "workspace" has nine letters


def _dotted(section, prefix=""):
    values = {}
    for name, value in section.items():
        values |= _dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values


def _made_with(parameters, lock):
    """Whether every parameter that a stage of this dvc.lock ran with still has that value."""
    stages = lock.get("stages", {}).values()
    locked = [item for stage in stages for item in stage.get("params", {}).get("params.yaml", {}).items()]
    return bool(stages) and all(parameters.get(name) == value for name, value in locked)
