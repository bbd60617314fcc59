"""A study: arms under every way of splitting, fold and seed; each run is one of DVC's experiments, read by revision."""

import hashlib
import itertools
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from dvc.api import DVCFileSystem
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kidneyct.experiments import shared
from kidneyct.files import index, tables
from kidneyct.pipeline import params, yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES

TARGET = "compare"  # the last stage that a run needs: it costs no map
LOG = "study.log"
MOST = 10_000  # runs
CANDIDATE, CONTROL = ROLES
OWN = {"split.fold", "seed"}  # what the study sets itself


class Probes(BaseModel):
    """What a study.yaml says of probes: tuned linear models on starts, over many cuts of the series into folds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    settings: dict[str, Any] = {}
    starts: dict[str, dict[str, Any]] = Field(min_length=1)  # the first is the primary one
    draws: int = Field(ge=1, le=1000)  # of the control's random weights, by the seeds 0, 1, …
    cuts: int = Field(ge=1, le=1000)  # by the seeds 0, 1, …
    folds: int = Field(ge=2, le=1000)
    by: Literal["series", "block"] = "series"  # block: neighbouring series stay together


class Study(BaseModel):
    """What a study.yaml says: trainings, which are arms under splits and seeds, or probes, or both."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    settings: dict[str, Any] = {}  # parameters of every run that differ from params.yaml's
    arms: dict[str, dict[str, Any]] = {}  # name -> parameters that differ from those
    splits: dict[str, dict[str, Any]] = {}
    seeds: list[int] = []
    probes: Probes | None = None


class Run(NamedTuple):
    """One experiment of a study."""

    arm: str
    split: str
    fold: int
    seed: int
    changes: dict  # dotted name -> value, against params.yaml
    name: str  # the experiment's; it tells what the run is made of, code included
    target: str = TARGET  # the stage that it ends with


def read(path):
    """The study in a file; InputError has a line for each mistake."""
    try:
        document = yaml12.read(path)
    except FileNotFoundError:
        raise InputError(f"{path}: expected a file that names arms, splits and seeds, found none") from None
    try:
        study = Study.model_validate(document)
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, each['loc'])) or 'all of it'}: {each['msg']}" for each in error.errors()]
        raise InputError("\n".join(lines)) from None
    doubled = [seed for seed, count in Counter(study.seeds).items() if count > 1]
    if doubled:
        raise InputError(f"{path}: seeds: expected different ones, found {doubled[0]} twice")
    empty = [name for name in ("arms", "splits", "seeds") if not getattr(study, name)]
    if empty and (len(empty) < 3 or study.probes is None):
        raise InputError(f"{path}: expected arms, splits and seeds, or probes, or both; found no {', no '.join(empty)}")
    probes = {"probes.settings": study.probes.settings} if study.probes else {}
    starts = study.probes.starts if study.probes else {}
    groups = ("", {"settings": study.settings} | probes), ("arms.", study.arms), ("splits.", study.splits)
    for group, parts in (*groups, ("probes.starts.", starts)):
        for name, changes in parts.items():
            unknown = sorted(set(changes) - (set(params.keys()) - OWN))
            if unknown:
                raise InputError(
                    f"{path}: {group}{name}: expected parameters of params.yaml but {' and '.join(sorted(OWN))}, "
                    f"found {', '.join(unknown)}"
                )
    return study


def plan(study, path="params.yaml", pipeline="dvc.yaml"):
    """The runs of a study, the ways of splitting first, so that complete comparisons come early.

    InputError where a run's parameters are not allowed.
    """
    values, stages = params.validate(path).model_dump(), _stages(pipeline, TARGET)
    folds = _folds(study, values)
    runs = []
    for seed, (split, division) in itertools.product(study.seeds, study.splits.items()):
        for fold, (arm, start) in itertools.product(range(folds[split]), study.arms.items()):
            changes = study.settings | start | division | {"seed": seed}
            changes |= {"split.fold": fold} if folds[split] > 1 else {}
            effective = _checked(values, changes, arm, split)
            runs.append(Run(arm, split, fold, seed, changes, _name([arm, split, fold, seed], effective, stages)))
    _refuse_doubled(runs)
    return runs


def plan_probes(study, path="params.yaml", pipeline="dvc.yaml"):
    """The runs whose starts are probed, the primary start first, then every draw of the control, then the others.

    `arm` is the start's name, or "random" with the draw's seed; each ends with the stage that probes the start.
    InputError where a run's parameters are not allowed.
    """
    values, probes = params.validate(path).model_dump(), study.probes
    first, *others = probes.starts
    order = [(first, 0), *(("random", seed) for seed in range(probes.draws)), *((name, 0) for name in others)]
    runs = []
    for name, seed in order:
        target = f"probe@{CONTROL if name == 'random' else CANDIDATE}"
        changes = study.settings | probes.settings | probes.starts.get(name, {}) | {"seed": seed}
        effective = _checked(values, changes, name, "probes")
        own = _name([name, seed], effective, _stages(pipeline, target))
        runs.append(Run(name, "probes", 0, seed, changes, own, target))
    _refuse_doubled(runs)
    return runs


def _name(words, values, stages):
    """An experiment's name: words, and a digest of the parameters and the code that its stages depend on."""
    made_of = json.dumps([_watched(values, stages), _code(stages)], sort_keys=True)
    digest = hashlib.sha256(made_of.encode()).hexdigest()[:10]
    words = [re.sub(r"[^A-Za-z0-9]+", "-", str(word)).strip("-") for word in words]
    return "-".join(["study", *words, digest])


def _refuse_doubled(runs):
    doubled = [name for name, count in Counter(run.name for run in runs).items() if count > 1]
    if doubled:
        raise InputError(f"study: expected a name of its own for each run, found {doubled[0]} twice; rename an arm")


def _folds(study, values):
    """How many folds each way of splitting has, name -> number; InputError where the study is none that can be run."""
    folds = {}
    for (split, division), (arm, start) in itertools.product(study.splits.items(), study.arms.items()):
        changed = _checked(values, study.settings | start | division | {"split.fold": 0}, arm, split)
        own = changed["split"]["folds"]
        if folds.setdefault(split, own) != own:
            raise InputError(
                f"arm {arm}, split {split}: split.folds: expected {folds[split]}, as the other arms have, found {own}"
            )
    runs = len(study.seeds) * len(study.arms) * sum(folds.values())
    if runs > MOST:
        raise InputError(f"study: expected at most {MOST:,} runs (arms x seeds x folds), found {runs:,}")
    return folds


def starts(study, split, values):
    """Arm -> its weights, and what else it changes of the split's, the study's and `values`, those of params.yaml."""
    division = study.splits[split]
    usual = changed(values, study.settings | division)

    def own(changes):
        return {k: value for k, value in changes.items() if k == "weights" or changed(usual, {k: value}) != usual}

    return {arm: own(start | division) for arm, start in study.arms.items()}


def without_folders(tree):
    """A study's document with of each path only its last part, as it is published: "/far/away/ct.zip" is "ct.zip"."""
    if isinstance(tree, dict):
        return {key: without_folders(value) for key, value in tree.items()}
    return Path(tree).name if isinstance(tree, str) and tree.startswith("/") else tree


def _checked(values, changes, arm, split):
    """Nested parameters with some changed by dotted name; InputError names arm and split where they are not allowed."""
    nested = changed(values, changes)
    try:
        params.check(nested)
    except InputError as error:
        raise InputError(f"arm {arm}, split {split}: {error}") from None
    return nested


def needs(runs, path="params.yaml", pipeline="dvc.yaml"):
    """What each run computes, name -> `shared.needs`."""
    values = params.validate(path).model_dump()
    return {run.name: shared.needs(changed(values, run.changes), run.target, pipeline) for run in runs}


def changed(values, changes):
    """Nested parameters with some changed by dotted name."""
    values = json.loads(json.dumps(values))
    for key, value in changes.items():
        *sections, name = key.split(".")
        target = values
        for section in sections:
            target = target[section]
        target[name] = value
    return values


def _stages(pipeline, target):
    """The stages that lead to `target`, but for `check`, as dvc.yaml has them."""
    stages = yaml12.read(pipeline)["stages"]
    wanted = dict.fromkeys(name.partition("@")[0] for name in shared.stages(pipeline, target))
    wanted = [name for name in wanted if name != "check"]
    return [stages[name].get("do", stages[name]) for name in wanted]


def _code(stages):
    """MD5 of each Python file that these stages depend on."""
    files = {dep for stage in stages for dep in stage["deps"] if dep.endswith(".py")}
    return {file: hashlib.md5(Path(file).read_bytes()).hexdigest() for file in sorted(files)}


def _watched(values, stages):
    """The parameters that these stages read, dotted name -> value."""
    watched = {"weights": values["weights"]}  # read by `initialize`, whose declaration says so by role
    for key in sorted({key for stage in stages for key in stage.get("params", []) if key != "${item}"}):
        value = values
        for part in key.split("."):
            value = value[part]
        watched[key] = value
    return watched


def finished():
    """DVC's experiments of all commits, name -> revision."""
    listed = _git("for-each-ref", "refs/exps", "--format=%(refname) %(objectname)")
    pairs = [line.split() for line in listed.splitlines()]
    # refs/exps/<two letters of the commit>/<the rest>/<name>
    return {name.split("/")[4]: revision for name, revision in pairs if name.count("/") == 4}


def _git(*arguments):
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"git {arguments[0]}: {' '.join(done.stderr.split())}; run in the project's folder")
    return done.stdout


def words(run):
    """What of `dvc exp run` is a run's own."""
    changes = [word for key, value in run.changes.items() for word in ("-S", f"{key}={override(value)}")]
    return ["-n", run.name, *changes, run.target]


def override(value):
    """A value in the grammar of `dvc exp run -S`."""
    if isinstance(value, list):
        return f"[{','.join(map(override, value))}]"
    text = str(value)
    if not isinstance(value, str) or re.fullmatch(r"[\w./-]+", text):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def outcome(revision):
    """What an experiment left: a line for each test image, and how each role was trained.

    The table has image, label, series, a column for each role's predictions and one for each baseline's. Of a role's
    training there are learning_rate, edge (of the list of rates: lowest, highest or none), stopped (before the last
    epoch), collapsed (it predicts one class only), training_accuracy and untrained, as in evaluation.json.
    """
    files = DVCFileSystem(".", rev=revision)

    def table(path):
        with files.open(path, "r") as file:
            return index.read(file)

    predictions = {role: table(f"plots/{role}/predictions.csv") for role in ROLES}
    result = predictions[ROLES[0]][["image", "label"]].copy()
    for role, own in predictions.items():
        result[role] = own["predicted"].to_numpy()
    result = result.merge(table("data/series.csv")[["image", "series"]], on="image", validate="one_to_one")
    baselines = table("plots/baselines.csv")[["image", *index.BASELINES]]
    result = result.merge(baselines, on="image", validate="one_to_one")
    trainings = {}
    for role in ROLES:
        with files.open(f"plots/{role}/rates.csv", "r") as file:
            kept = tables.kept(tables.read(file, tables.RATES))
        with files.open(f"metrics/{role}/evaluation.json") as file:
            evaluation = json.load(file)
        trainings[role] = {
            "learning_rate": float(kept["learning_rate"]),
            "edge": kept["edge"],
            "stopped": bool(kept["stopped"]),
            **{name: evaluation[name] for name in ("collapsed", "training_accuracy", "untrained")},
        }
    return result, trainings


def pooled(runs, revisions):
    """Out-of-fold predictions of the finished runs, (arm, split) -> {seed: (table, trainings)}.

    Folds are pooled in one table; a seed counts where all its folds are there. `trainings` is a list, a fold each.
    """
    folds = {}
    for run in runs:
        folds.setdefault((run.arm, run.split, run.seed), []).append(revisions.get(run.name))
    results = {}
    for (arm, split, seed), each in folds.items():
        if all(each):
            tables, trainings = zip(*map(outcome, each), strict=True)
            results.setdefault((arm, split), {})[seed] = pd.concat(tables, ignore_index=True), list(trainings)
    return results
