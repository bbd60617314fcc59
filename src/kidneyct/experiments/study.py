"""A study: arms under every way of splitting, fold and seed; each run is one of DVC's experiments, read by revision."""

import hashlib
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from pydantic import BaseModel, ConfigDict, Field, ValidationError

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


def plan(study, path="params.yaml"):
    """The runs of a study, the ways of splitting first, so that complete comparisons come early.

    InputError where a run's parameters are not allowed.
    """
    values, stages = params.validate(path).model_dump(), _stages(TARGET)
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


def plan_probes(study, path="params.yaml"):
    """The runs whose starts are probed, the primary start first, then every draw of the control, then the others.

    `arm` is the start's name, or "random" with the draw's seed; each ends with the stage that probes the start.
    InputError where a run's parameters are not allowed.
    """
    values, probes = params.validate(path).model_dump(), study.probes
    first, *others = probes.starts
    order = [(first, 0), *(("random", seed) for seed in range(probes.draws)), *((name, 0) for name in others)]
    stages = {target: _stages(target) for target in (f"probe@{role}" for role in ROLES)}
    runs = []
    for name, seed in order:
        target = f"probe@{CONTROL if name == 'random' else CANDIDATE}"
        changes = study.settings | probes.settings | probes.starts.get(name, {}) | {"seed": seed}
        effective = _checked(values, changes, name, "probes")
        own = _name([name, seed], effective, stages[target])
        runs.append(Run(name, "probes", 0, seed, changes, own, target))
    _refuse_doubled(runs)
    return runs


def _name(words, values, stages):
    """An experiment's name: words, and a digest of the parameters and the code that its stages depend on.

    `check` is left out, as it reads every parameter and decides no number.
    """
    own = [stage for stage in stages if stage.name != "check"]
    watched = {key: _value(values, key) for stage in own for key in stage.parameters}
    code = {str(file): hashlib.md5(file.read_bytes()).hexdigest() for stage in own for file in _code(stage.deps)}
    words = [re.sub(r"[^A-Za-z0-9]+", "-", str(word)).strip("-") for word in words]
    return "-".join(["study", *words, _digest([watched, code])])


def _code(deps):
    """The Python files among some paths and in their folders."""
    for path in map(Path, deps):
        yield from path.rglob("*.py") if path.is_dir() else [path] if path.suffix == ".py" else []


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


class _Stage(NamedTuple):
    """A stage that a run computes."""

    name: str
    command: str
    parameters: list  # dotted names
    deps: list  # paths
    before: list  # names of the stages that it reads from


def _stages(target):
    """The stages that lead to one, itself included, each after those that it reads from, as DVC resolves dvc.yaml."""
    found = {}

    def visit(stage):
        before = sorted(graph.successors(stage), key=lambda other: other.addressing)
        for other in before:
            if other.addressing not in found:
                visit(other)
        keys = sorted({key for dep in stage.params for key in dep.params})
        deps = [dep.def_path for dep in stage.deps]
        names = [other.addressing for other in before]
        found[stage.addressing] = _Stage(stage.addressing, stage.cmd, keys, deps, names)

    try:
        with Repo(uninitialized=True) as repo:
            graph = repo.index.graph
            visit(next(stage for stage in graph if stage.addressing == target))
    except DvcException as error:
        raise InputError(f"dvc.yaml: {' '.join(str(error).split())}; git checkout dvc.yaml brings it back") from None
    return list(found.values())


def needs(runs, path="params.yaml"):
    """What each run computes, name -> set of digests: two runs that compute the same stage have one in common.

    A stage has a second digest without the seed, as many, such as the features of weights from a file, do not depend
    on it although a stage before them reads it.
    """
    values, stages = params.validate(path).model_dump(), {run.target: _stages(run.target) for run in runs}

    def digests(run, without):
        effective = changed(values, run.changes | without)
        found = {}
        for stage in stages[run.target]:
            read = {key: _value(effective, key) for key in stage.parameters}
            found[stage.name] = _digest([stage.command, read, [found[name] for name in stage.before]])
        return found.values()

    return {run.name: frozenset([*digests(run, {}), *digests(run, {"seed": None})]) for run in runs}


def _value(values, key):
    for part in key.split("."):
        values = values[part]
    return values


def _digest(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


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

    predictions = {role: table(f"models/{role}/predictions.csv") for role in ROLES}
    result = predictions[ROLES[0]][["image", "label"]].copy()
    for role, own in predictions.items():
        result[role] = own["predicted"].to_numpy()
    result = result.merge(table("data/series.csv")[["image", "series"]], on="image", validate="one_to_one")
    baselines = table("metrics/leakage/baselines.csv")[["image", *index.BASELINES]]
    result = result.merge(baselines, on="image", validate="one_to_one")
    trainings = {}
    for role in ROLES:
        with files.open(f"models/{role}/rates.csv", "r") as file:
            kept = tables.kept(tables.read(file, tables.RATES))
        with files.open(f"metrics/comparison/{role}/evaluation.json") as file:
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
