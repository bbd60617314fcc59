"""What of a finished run predictions need: what it was run with, not what params.yaml says by now."""

import contextlib
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field, PositiveInt, ValidationError

from kidneyct import arrays, index
from kidneyct.errors import InputError, missing
from kidneyct.params import Model, Section, Text
from kidneyct.roles import ROLES
from kidneyct.runs import experiments, lock

INDEX = "data/index.csv"
TABLES = {"split": "data/split.csv", "series": "data/series.csv", "thumbnails": "data/thumbnails.npy"}


class Workspace(NamedTuple):
    """A role's trained model and the images that it was trained on, as dvc.lock knows them."""

    weights: Path
    classes: list
    image_size: int
    dense_units: int
    pixel_scaling: str
    normalize: str
    thumbnails: np.ndarray  # (n, 25, 25) uint8, the training images'
    series: np.ndarray  # (n,) int, theirs too
    digest: str = ""  # MD5 of the weights
    names: tuple = ()  # the training images', as in the index; none where they are not known
    labels: tuple = ()  # theirs too


class About(NamedTuple):
    """What is known of a run beside its models."""

    parameters: dict  # that it was run with, by dotted name
    headline: dict | None  # metrics/headline.json, None where there is none of this run
    amiss: str = ""  # why there is none


class _Used(Section, extra="ignore"):
    """Parameters of a run that a prediction needs, as dvc.lock has them."""

    classes: list[Text] = Field(alias="data.classes", min_length=2)
    image_size: PositiveInt = Field(alias="preprocess.image_size")
    dense_units: PositiveInt = Field(alias="model.dense_units")
    pixel_scaling: Model.model_fields["pixel_scaling"].annotation = Field(alias="model.pixel_scaling")
    normalize: Model.model_fields["normalize"].annotation = Field(alias="model.normalize")


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
    used = lock.checked(_Used, stages["preprocess"].parameters | stages[train].parameters, f"{source}: {train}")
    written = lock.written(stages)
    weights = f"models/{role}/model.weights.h5"
    for path in TABLES.values():
        _check(folder, path, written)
    _check(folder, weights, written)
    table = index.read(folder / TABLES["split"])
    series = index.read_series(folder / TABLES["series"])
    thumbnails = arrays.thumbnails(folder / TABLES["thumbnails"], len(table))
    rows = index.rows(table, "train")
    return Workspace(
        folder / weights,
        used.classes,
        used.image_size,
        used.dense_units,
        used.pixel_scaling,
        used.normalize,
        thumbnails[rows],
        series[rows],
        written[weights],
        tuple(table["image"].iloc[rows]),
        tuple(table["label"].iloc[rows]),
    )


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


def thumbnails(parameters):
    """The index, a table, and the thumbnails (n, 25, 25) that one run of `preprocess` wrote here.

    InputError where it was not run with these parameters, nested as in params.yaml.
    """
    source, again = Path("dvc.lock"), "run dvc repro preprocess"
    known = lock.read(source) if source.exists() else lock.Lock()
    if "preprocess" not in known.stages:
        raise InputError(f"{source}: expected a finished stage preprocess, found none; {again} first")
    stages = lock.one_run(known, "preprocess")
    if changed := lock.outdated(stages, lock.dotted(parameters)):
        raise InputError(f"{INDEX}: {changed}; {again}")
    written = lock.written(stages)
    for path in (INDEX, TABLES["thumbnails"]):
        _check(Path(), path, written)
    table = index.read(INDEX)
    return table, arrays.thumbnails(TABLES["thumbnails"], len(table))


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
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
