"""A study: arms under every way of splitting, fold and seed; each run is one of DVC's experiments, read by revision."""

import functools
import hashlib
import itertools
import json
import operator
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import networkx
import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from pydantic import AfterValidator, Field, ValidationError, model_validator

from kidneyct.experiments.starts import RANDOM
from kidneyct.files import index, tables
from kidneyct.pipeline import lock, params, yaml12
from kidneyct.pipeline.errors import InputError, faults
from kidneyct.pipeline.roles import ROLES

TARGET = "compare"  # the last stage that a run needs: it costs no map
CANDIDATE, CONTROL = ROLES
OWN = {"split.fold", "seed"}  # what the study sets itself
PROBES = "probes"  # the split of a start that is probed


def _known(changes):
    """Changes of parameters by dotted name, none of which the study sets itself."""
    if unknown := sorted(set(changes) - (set(params.keys()) - OWN)):
        own = " and ".join(sorted(OWN))
        raise ValueError(f"expected parameters of params.yaml but {own}, found {', '.join(unknown)}")
    return changes


Changes = Annotated[dict[str, Any], AfterValidator(_known)]  # what differs from params.yaml


class Probes(params.Section):
    """What a study.yaml says of probes: tuned linear models on starts, over many cuts of the series into folds."""

    settings: Changes = Field({})
    starts: dict[str, Changes] = Field(min_length=1)  # the first is the primary one
    draws: int = Field(ge=1, le=1000)  # of the control's random weights, by the seeds 0, 1, …
    cuts: int = Field(ge=1, le=1000)  # by the seeds 0, 1, …
    folds: int = Field(ge=3, le=1000)  # of two, training may have one series of a class, and inner folds want two
    by: Literal["series", "block", "image"] = "series"  # block: neighbouring series stay together


class Study(params.Section):
    """What a study.yaml says: trainings, which are arms under splits and seeds, or probes, or both."""

    settings: Changes = Field({})  # of every run
    arms: dict[str, Changes] = Field({})
    splits: dict[str, Changes] = Field({})
    seeds: list[int] = Field([])
    probes: Probes | None = None

    @model_validator(mode="after")
    def _whole(self):
        empty = [name for name in ("arms", "splits", "seeds") if not getattr(self, name)]
        if empty and (len(empty) < 3 or self.probes is None):
            raise ValueError(f"expected arms, splits and seeds, or probes, or both; found no {', no '.join(empty)}")
        return self


class Run(NamedTuple):
    """One experiment of a study."""

    arm: str  # or the start that is probed, or RANDOM
    split: str  # PROBES where a start is probed
    fold: int
    seed: int
    changes: dict  # dotted name -> value, against params.yaml
    name: str  # the experiment's; it tells what the run is made of, code included
    targets: tuple = (TARGET,)  # the stages that it ends with
    needs: frozenset = frozenset()  # digests of the stages that it computes: two runs that share a stage share one


def read(path):
    """The study in a file; InputError has a line for each mistake."""
    document = yaml12.read(path)
    try:
        return Study.model_validate(document)
    except ValidationError as error:
        raise InputError("\n".join(f"{path}: {fault}" for fault in faults(error))) from None


def plan(study, path="params.yaml"):
    """The runs of a study: trainings by seed and way of splitting, so that complete comparisons come early.

    Then come the starts that are probed, the primary one, then every draw of the control, then the others; each ends
    with its features, as the study fits the probes itself. InputError where a run's parameters are not allowed.
    """
    values, known, digest = params.validate(path).model_dump(), {}, functools.cache(lock.digest)

    def run(arm, split, fold, seed, changes, targets=(TARGET,)):
        changes = study.settings | changes | {"seed": seed}
        effective = _checked(values, changes, arm, split)
        if (table := Path(effective["series"]["table"])).is_file():  # DVC sees what is in it, and so does the name
            effective["series"]["table"] = digest(table)
        if targets not in known:
            known[targets] = resolved_stages(*targets)
        found = digests(known[targets], effective)
        words = [arm, *([] if split == PROBES else [split, fold]), seed]
        words = [re.sub(r"[^A-Za-z0-9]+", "-", str(word)).strip("-") for word in words]
        name = "-".join(["study", *words, *(found[target] for target in targets)])
        return Run(arm, split, fold, seed, changes, name, targets, frozenset(found.values()))

    runs = []
    for seed, (split, division) in itertools.product(study.seeds, study.splits.items()):
        of_split = []
        for arm, start in study.arms.items():
            alone = _checked(values, study.settings | start | division | {"split.fold": 0}, arm, split)
            folds = [{"split.fold": fold} for fold in range(alone["split"]["folds"])]
            for fold, of_fold in enumerate(folds if len(folds) > 1 else [{}]):
                of_split.append(run(arm, split, fold, seed, start | division | of_fold))
        runs += sorted(of_split, key=lambda run: run.fold)
    if study.probes:
        given = study.probes
        first, *others = given.starts
        order = [(first, 0), *((RANDOM, seed) for seed in range(given.draws)), *((name, 0) for name in others)]
        for name, seed in order:
            targets = ("series", f"features@{CONTROL if name == RANDOM else CANDIDATE}")
            runs.append(run(name, PROBES, 0, seed, given.settings | given.starts.get(name, {}), targets))
    (name, count), *_ = Counter(run.name for run in runs).most_common(1)
    if count > 1:
        raise InputError(f"study: expected a name for each run, found {name} twice; give each arm and seed once")
    return runs


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
        functools.reduce(operator.getitem, sections, values)[name] = value
    return values


def resolved_stages(*targets):
    """The stages that lead to some, as DVC resolves dvc.yaml, each after those that it reads from.

    Name -> its command, the dotted names of its parameters, path -> MD5 of its Python files, and the stages that it
    reads from. `check` is left out, as it reads every parameter and decides no number.
    """
    found = {}
    try:
        with Repo(uninitialized=True) as repo:
            graph = repo.index.graph
            ends = [stage for stage in graph if stage.addressing in targets]
            for stage in itertools.chain(*(networkx.dfs_postorder_nodes(graph, end) for end in ends)):
                keys = sorted({key for dep in stage.params for key in dep.params})
                paths = [Path(dep.def_path) for dep in stage.deps]
                files = [file for path in paths for file in (path, *path.rglob("*.py")) if file.suffix == ".py"]
                code = {str(file): hashlib.md5(file.read_bytes()).hexdigest() for file in files}
                before = sorted({other.addressing for other in graph.successors(stage)} - {"check"})
                found[stage.addressing] = stage.cmd, keys, code, before
    except DvcException as error:
        raise InputError(f"dvc.yaml: {' '.join(str(error).split())}; git checkout dvc.yaml brings it back") from None
    found.pop("check", None)
    return found


def digests(stages, values):
    """A digest of each of `stages`, by name: of its command, code and nested parameters, and of those before it."""
    found = {}
    for name, (command, keys, code, before) in stages.items():
        read = [functools.reduce(operator.getitem, key.split("."), values) for key in keys]
        made_of = [command, keys, read, code, [found[other] for other in before]]
        found[name] = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:10]
    return found


def table(files, path):
    """A table of images of an experiment, from its DVCFileSystem."""
    with files.open(path, "r") as file:
        return index.read(file)


def outcome(revision):
    """What an experiment left: a line for each test image, and how each role was trained.

    The table has image, label, series, for each role what it predicted and its "ROLE: probability of CLASS", and a
    column for each baseline's predictions. Of a role's training there are learning_rate, edge (of the list of rates:
    lowest, highest or none), stopped (before the last epoch), and collapsed (it predicts one class only),
    training_accuracy and untrained as in evaluation.json.
    """
    files = DVCFileSystem(".", rev=revision)
    predictions = {role: table(files, f"models/{role}/predictions.csv") for role in ROLES}
    prefixed = [own.add_prefix(f"{role}: ") for role, own in predictions.items()]
    result = pd.concat([predictions[CANDIDATE][["image", "label"]], *prefixed], axis=1)
    result = result.rename(columns={f"{role}: predicted": role for role in ROLES})
    for path, columns in (("data/series.csv", ["series"]), ("metrics/leakage/baselines.csv", index.BASELINES)):
        result = result.merge(table(files, path)[["image", *columns]], on="image", validate="one_to_one")
    trainings = {}
    for role in ROLES:
        with files.open(f"models/{role}/rates.csv", "r") as file:
            kept = tables.kept(tables.read(file, tables.RATES))
        evaluation = json.loads(files.read_text(f"metrics/comparison/{role}/evaluation.json"))
        trainings[role] = {name: evaluation[name] for name in ("collapsed", "training_accuracy", "untrained")}
        trainings[role] |= {name: kept[name] for name in ("learning_rate", "edge")} | {"stopped": bool(kept["stopped"])}
    return result, trainings


def pooled(runs, revisions):
    """Out-of-fold predictions of the finished runs, split -> arm -> {seed: (table, trainings)}, and what is missing.

    Folds are pooled in one table; a seed counts where all its folds are there. `trainings` is a list, a fold each.
    Missing are those "arm, split" of which no seed is whole.
    """
    folds, results = {}, {}
    for run in runs:
        folds.setdefault((run.split, run.arm, run.seed), []).append(revisions.get(run.name))
    for (split, arm, seed), of_seed in folds.items():
        if all(of_seed):
            tables, trainings = zip(*map(outcome, of_seed), strict=True)
            whole = pd.concat(tables, ignore_index=True), list(trainings)
            results.setdefault(split, {}).setdefault(arm, {})[seed] = whole
    missing = {f"{arm}, {split}": None for split, arm, _ in folds if arm not in results.get(split, {})}
    return results, list(missing)
