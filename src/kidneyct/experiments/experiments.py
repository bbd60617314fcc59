"""DVC's experiments: which runs are finished, what they were made with and what came out."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from kidneyct.pipeline import lock
from kidneyct.pipeline.errors import InputError

HEADLINE = "metrics/headline.json"
WRITER = "compare"  # the stage that writes it
LOCK = "dvc.lock"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class Headline(_Strict):
    """What is read of metrics/headline.json; another version of the project may have written it otherwise."""

    class Model(_Strict):
        accuracy: FiniteFloat
        macro_f1: FiniteFloat

    class Gap(_Strict):
        accuracy: FiniteFloat
        low: FiniteFloat | None = None
        high: FiniteFloat | None = None

    class Leak(_Strict):
        near_duplicates: FiniteFloat

    class WithoutNetwork(_Strict):
        nearest_thumbnail: FiniteFloat

    candidate: Model
    control: Model
    gap: Gap
    leak: Leak
    without_network: WithoutNetwork


class Run(NamedTuple):
    """A finished run."""

    name: str  # the experiment's; "workspace"; the commit's branch, or the beginning of its hash
    parameters: dict  # by dotted name
    headline: dict  # metrics/headline.json
    code: dict  # hash of each Python file that went into it


class Files(NamedTuple):
    """What a revision holds beside the list: its dvc.lock, and the MD5 of its headline."""

    lock: lock.Lock
    headline: str


def collect():
    """DVC's experiments on the current commit, with the workspace and the commit itself: `runs`'s two arguments.

    InputError where the workspace's dvc.lock can't be read; where a revision's can't, it has none.
    """
    contents = {LOCK: b"", HEADLINE: b""} | {
        path: Path(path).read_bytes() for path in (LOCK, HEADLINE) if Path(path).exists()
    }
    files = {"workspace": Files(lock.parse(contents[LOCK], LOCK), _md5(contents[HEADLINE]))}
    listed = json.loads(_output(sys.executable, "-m", "dvc", "exp", "show", "--json"))
    experiments = [revision for entry in listed for each in entry["experiments"] or [] for revision in each["revs"]]
    for revision in dict.fromkeys(entry["rev"] for entry in [*listed, *experiments] if entry["rev"] != "workspace"):
        files[revision] = _committed(revision)
    return listed, files


def _committed(revision):
    content, headline = (_output("git", "show", f"{revision}:./{path}", missing=b"") for path in (LOCK, HEADLINE))
    try:
        return Files(lock.parse(content, f"{revision}:{LOCK}"), _md5(headline))
    except InputError:  # such as a merge's conflict, committed
        return Files(lock.Lock(), "")


def _md5(content):
    return hashlib.md5(content).hexdigest()


def _output(*command, missing=None):
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        raise InputError(f"{command[0]}: expected on the PATH, found none; install it") from None
    if done.returncode == 0:
        return done.stdout
    if missing is not None:
        return missing
    reason = " ".join(done.stderr.decode(errors="replace").split()) or f"exit status {done.returncode}"
    raise InputError(
        f"{' '.join(command[-4:])}: expected DVC's list of experiments, found: {reason}; run in the project"
    )


def runs(listed, files):
    """Finished runs, the workspace's first, then the commit's and its experiments'; and what does not count, in words.

    `listed` is what `dvc exp show --json` prints, `files` the `Files` of each revision in it. A queued, running or
    failed experiment shows numbers of the commit that it started from; an edited params.yaml stands beside the results
    of the last run; and who runs a few of the stages leaves what the others made before: none of them counts.
    """
    finished, mixed, unfinished = [], [], Counter()
    for entry in listed:
        run = _run(entry)
        amiss = run and _amiss(run, files[entry["rev"]])
        if amiss:
            mixed.append(f"{run.name} ({amiss})")
        elif run:
            finished.append(run)
        for experiment in entry["experiments"] or []:
            state = (experiment["executor"] or {}).get("state", "success")
            revision = experiment["revs"][0]
            run = _run(revision) if state == "success" else None
            if not run:
                unfinished["without results" if state == "success" else state] += 1
            elif _amiss(run, files[revision["rev"]]):
                unfinished["with results of another run"] += 1
            else:
                finished.append(run)
    return finished, [f"{count} {state}" for state, count in sorted(unfinished.items())] + mixed


def _amiss(run, files):
    """Why a revision's headline is not what its parameters give, or nothing where it is."""
    if WRITER not in files.lock.stages:
        return f"{LOCK} knows of no results; run dvc repro"
    try:
        stages = lock.one_run(files.lock, WRITER, source=LOCK)
    except InputError as error:
        return str(error)
    if changed := lock.outdated(stages, run.parameters):
        return f"{changed}; run dvc repro"
    if lock.written(stages).get(HEADLINE) != files.headline:
        return f"{HEADLINE} is not the one that {LOCK} knows; run dvc repro"
    return None


def _run(entry):
    """The run of one entry of the list, or None where its results are not complete."""
    data = entry["data"]
    if not data or entry["error"]:
        return None
    headline = data["metrics"].get(HEADLINE, {}).get("data")
    parameters = data["params"].get("params.yaml", {}).get("data")
    try:
        Headline.model_validate(headline)
    except ValidationError:
        return None
    if not isinstance(parameters, dict):
        return None
    code = {path: dep["hash"] for path, dep in data["deps"].items() if path.endswith(".py")}
    return Run(
        entry["name"] or entry["rev"][:9], lock.dotted(parameters), headline, code
    )  # "workspace" has nine letters
