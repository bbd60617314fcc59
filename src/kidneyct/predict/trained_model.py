"""What of a finished run predictions need: what it was run with, not what params.yaml says by now."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pydantic import Field, PositiveInt, ValidationError

from kidneyct.experiments import experiments
from kidneyct.files import arrays, index
from kidneyct.images import window
from kidneyct.pipeline import lock
from kidneyct.pipeline.errors import InputError, altered, missing
from kidneyct.pipeline.params import Model, Preprocess, Section, Text
from kidneyct.pipeline.roles import ROLES

INDEX = "data/index.csv"
TABLES = {"split": "data/split.csv", "series": "data/series.csv", "thumbnails": "data/thumbnails.npy"}
NUMBERS = {
    "index": INDEX,
    "leakage": "metrics/leakage.json",
    "comparison": "metrics/comparison.json",
    "external": "metrics/external.json",
    "evaluation": "metrics/{role}/evaluation.json",
    "predictions": "plots/{role}/predictions.csv",
}


class Workspace(NamedTuple):
    """A role's trained model and the images that it was trained on, as dvc.lock knows them."""

    weights: Path
    classes: list
    image_size: int
    dense_units: int
    pixel_scaling: str
    normalize: str
    thumbnails: np.ndarray | None  # (n, 25, 25) uint8, the training images'; None where an exported model has none
    series: np.ndarray | None  # (n,) int, theirs too; an exported model has the threshold instead
    head: str = "flatten"
    window: str | list = window.FILE  # of 16-bit images, as preprocess.window
    grey: str = "file"  # as preprocess.grey
    digest: str = ""  # MD5 of the weights of a run's folder, SHA-256 of those inside an exported model
    threshold: float | None = None  # of likeness, where it is known already
    exported: bool = False  # `weights` is the file of an exported model
    names: tuple = ()  # the training images', as in the index; none where they are not known
    labels: tuple = ()  # theirs too


class Finished(NamedTuple):
    """A whole run as its last stage left it, for those who were not there; `role` is the one that is opened."""

    opened: Workspace
    role: str
    parameters: dict  # by dotted name, of all stages that its comparison came from
    table: pd.DataFrame  # image, label, split
    hashes: pd.Series  # of the image files
    series: np.ndarray  # (n,)
    leakage: dict
    comparison: dict
    external: dict  # {"images": 0} without an external test set
    evaluation: dict
    predictions: pd.DataFrame


class About(NamedTuple):
    """What is known of a run beside its models."""

    parameters: dict  # that it was run with, by dotted name
    headline: dict | None  # metrics/headline.json, None where there is none of this run
    amiss: str = ""  # why there is none


class _Used(Section, extra="ignore"):
    """Parameters of a run that a prediction needs, as dvc.lock has them."""

    classes: list[Text] = Field(alias="data.classes", min_length=2)
    image_size: PositiveInt = Field(alias="preprocess.image_size")
    window: Preprocess.model_fields["window"].rebuild_annotation() = Field(window.FILE, alias="preprocess.window")
    grey: Preprocess.model_fields["grey"].annotation = Field("file", alias="preprocess.grey")
    dense_units: PositiveInt = Field(alias="model.dense_units")
    pixel_scaling: Model.model_fields["pixel_scaling"].annotation = Field(alias="model.pixel_scaling")
    normalize: Model.model_fields["normalize"].annotation = Field(alias="model.normalize")
    head: Model.model_fields["head"].annotation = Field("flatten", alias="model.head")


def read(folder, role):
    """The finished run in a folder; InputError says what is missing, or of another run, and how to get it.

    The stages that the model came from must have read what the others wrote, and the files that are read here must be
    those: else the image size would be one run's and the model another's.
    """
    folder = Path(folder)
    source = folder / "dvc.lock"
    known = lock.read(source)
    train = f"train@{role}"
    if train not in known.stages:
        raise InputError(f"{source}: expected a finished stage {train}, found none; run dvc repro")
    stages = lock.one_run(known, train, first=("preprocess",), source=source)
    if "preprocess" not in stages:
        raise InputError(f"{source}: expected {train} to have read what preprocess wrote, found not; run dvc repro")
    parameters = used(stages["preprocess"].parameters | stages[train].parameters, f"{source}: {train}")
    written = lock.written(stages)
    weights = f"models/{role}/model.weights.h5"
    for path in TABLES.values():
        _check(folder, path, written)
    _check(folder, weights, written)
    table = index.read(folder / TABLES["split"])
    series = index.read_series(folder / TABLES["series"], len(table))
    thumbnails = arrays.thumbnails(folder / TABLES["thumbnails"], len(table))
    rows = index.rows(table, "train")
    own = {"weights": folder / weights, "thumbnails": thumbnails[rows], "series": series[rows]}
    own |= {name: tuple(table[column].iloc[rows]) for name, column in {"names": "image", "labels": "label"}.items()}
    return Workspace(**parameters, **own, digest=written[weights])


def used(parameters, source):
    """What of a run's parameters, by dotted name, a prediction needs, as Workspace has it; InputError names the source.

    Those of a run's folder and those of an exported model pass through here, so that both know the same.
    """
    return lock.checked(_Used, parameters, source).model_dump()


def finished(folder, role):
    """The whole run in a folder; InputError where a stage up to the comparison is missing, or of another run.

    Stricter than `read`: all that the comparison came from, of both roles, is of one run and of one set of parameters,
    from the archive on.
    """
    opened = read(folder, role)
    folder = Path(folder)
    source = folder / "dvc.lock"
    known = lock.read(source)
    if "compare" not in known.stages:
        raise InputError(f"{source}: expected a finished stage compare, found none; run dvc repro")
    stages = lock.one_run(known, "compare", source=source)
    written = lock.written(stages)
    paths = {name: path.format(role=role) for name, path in NUMBERS.items()}
    every = [*paths.values(), *TABLES.values(), str(opened.weights.relative_to(folder))]
    for path in every:
        _check(folder, path, written)
    numbers = {name: _numbers(folder / paths[name]) for name in ("leakage", "comparison", "external", "evaluation")}
    run = Finished(
        opened,
        role,
        _parameters(stages, source),
        index.read(folder / TABLES["split"]),
        index.read(folder / paths["index"])["sha256"],
        index.read_series(folder / TABLES["series"]),
        predictions=index.read(folder / paths["predictions"]),
        **numbers,
    )
    for path in every:  # what another dvc repro wrote meanwhile
        _check(folder, path, written)
    return run


def _parameters(stages, source):
    """What all of some stages read of params.yaml; InputError where they did not read the same."""
    parameters, readers = {}, {}
    for name, stage in stages.items():
        for key, value in stage.parameters.items():
            other = readers.setdefault(key, name)
            if parameters.setdefault(key, value) != value:
                raise InputError(
                    f"{source}: {name} was run with {key}: {value}, {other} with {parameters[key]}; {lock.BACK}"
                )
    return parameters


def _numbers(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise altered(path, "metrics in JSON", error) from None


def read_all(folder):
    """Both roles' models, role -> `Workspace`, and what is known `About` their run; InputErrors as `read` has them."""
    source = Path(folder) / "dvc.lock"
    known = lock.read(source)
    opened = {role: read(folder, role) for role in ROLES}
    about = _about(Path(folder), known)
    if lock.read(source) != known:
        raise InputError(f"{source}: replaced while it was read; wait for dvc repro to end, then ask again")
    return opened, about


def _about(folder, known):
    source, trained = folder / "dvc.lock", [f"train@{role}" for role in ROLES]
    stages = {}
    for name in trained:
        stages |= lock.one_run(known, name, first=("preprocess",), source=source)
    with contextlib.suppress(InputError):  # its images may have been fetched anew since
        stages |= lock.one_run(known, "preprocess", source=source)
    parameters = {name: value for stage in stages.values() for name, value in stage.parameters.items()}
    try:
        return About(parameters, _headline(folder, known))
    except InputError as error:
        return About(parameters, None, str(error))


def _headline(folder, known):
    source = folder / "dvc.lock"
    if experiments.WRITER not in known.stages:
        raise InputError(f"{source}: expected a finished stage {experiments.WRITER}, found none; run dvc repro")
    stages = lock.one_run(known, experiments.WRITER, first=("preprocess",), source=source)
    path = folder / experiments.HEADLINE
    _check(folder, experiments.HEADLINE, lock.written(stages))
    try:
        return experiments.Headline.model_validate_json(path.read_bytes()).model_dump()
    except ValidationError:
        raise InputError(f"{path}: written by another version of kidneyct; run dvc repro") from None


def check_weights(opened):
    """InputError where another training has replaced the weights since `read`; asked after they were loaded."""
    if _digest(opened.weights) != opened.digest:
        raise InputError(f"{opened.weights}: replaced while it was read; wait for dvc repro to end, then ask again")


def _check(folder, path, written):
    """InputError where a file is not the one that dvc.lock knows; `written` is path -> MD5."""
    if path not in written:
        raise InputError(f"{folder / 'dvc.lock'}: expected a stage that wrote {path}, found none; run dvc repro")
    try:
        digest = _digest(folder / path)
    except FileNotFoundError:
        raise missing(folder / path) from None
    if digest != written[path]:
        raise InputError(
            f"{folder / path}: not the file that dvc.lock knows, but another run's; run dvc checkout for the one of "
            "dvc.lock, or dvc repro for a new one"
        )


def _digest(path):
    """The MD5 of a file or a folder as dvc.lock has it."""
    if Path(path).is_dir():
        files = sorted(file.relative_to(path).as_posix() for file in Path(path).rglob("*") if file.is_file())
        listed = [{"md5": _digest(Path(path) / name), "relpath": name} for name in files]
        return f"{hashlib.md5(json.dumps(listed).encode()).hexdigest()}.dir"
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
