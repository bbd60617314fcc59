"""A run's trained model and all that its predictions need, as dvc.lock knows them, not as params.yaml says by now."""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field, PositiveInt

from kidneyct.files import arrays, index
from kidneyct.images import window
from kidneyct.leakage import ood_score
from kidneyct.pipeline import lock
from kidneyct.pipeline.errors import InputError, corrupt
from kidneyct.pipeline.params import Model, Preprocess, Section, Text
from kidneyct.pipeline.roles import ROLES

LOCK = "dvc.lock"
# What is read of a run, in the places where its stages put it.
SPLIT, SERIES, THUMBNAILS = "data/split.csv", "data/series.csv", "data/images/thumbnails.npy"
WEIGHTS = "models/{role}/model.weights.h5"
METRICS = {
    "leakage": "metrics/leakage/leakage.json",
    "comparison": "metrics/comparison/comparison.json",
    "external": "metrics/comparison/external.json",
    "evaluation": "metrics/comparison/{role}/evaluation.json",
}


class TrainedModel(NamedTuple):
    """What a prediction needs, of a run's folder or of an exported file."""

    weights: Path
    classes: list
    image_size: int
    dense_units: int
    pixel_scaling: str
    normalize: str
    thumbnails: np.ndarray | None  # (n, 25, 25) uint8, the training images'; None where an exported model has none
    threshold: float  # `ood_score.threshold` of the training images
    head: str = "flatten"
    window: str | list = window.FILE  # of 16-bit images, as preprocess.window
    grey: str = "file"  # as preprocess.grey
    digest: str = ""  # MD5 of the weights of a run's folder, SHA-256 of those in an exported file
    exported: bool = False  # `weights` is an exported file
    similarity: float | None = None  # as series.similarity, where it is known
    generated: bool = False  # the training images were


class Finished(NamedTuple):
    """A whole run, for those who were not there: one role's model and what was measured."""

    model: TrainedModel
    role: str
    parameters: dict  # by dotted name, of all stages that its comparison came from
    leakage: dict
    comparison: dict
    external: dict  # {"images": 0} without an external test set
    evaluation: dict


class _Used(Section, extra="ignore"):
    """Parameters of a run that a prediction needs, as dvc.lock has them; an older run lacks some."""

    classes: list[Text] = Field(alias="data.classes", min_length=2)
    image_size: PositiveInt = Field(alias="preprocess.image_size")
    window: Preprocess.model_fields["window"].rebuild_annotation() = Field(window.FILE, alias="preprocess.window")
    grey: Preprocess.model_fields["grey"].annotation = Field("file", alias="preprocess.grey")
    dense_units: PositiveInt = Field(alias="model.dense_units")
    pixel_scaling: Model.model_fields["pixel_scaling"].annotation = Field(alias="model.pixel_scaling")
    normalize: Model.model_fields["normalize"].annotation = Field(alias="model.normalize")
    head: Model.model_fields["head"].annotation = Field("flatten", alias="model.head")
    similarity: float | None = Field(None, alias="series.similarity")


def used(parameters, source):
    """What a prediction needs of parameters by dotted name, as TrainedModel has it; InputError names the source."""
    return lock.checked(_Used, parameters, source).model_dump()


def read(folder, roles=ROLES):
    """The models of a finished run in a folder, role -> TrainedModel; InputError says what is missing, and what to do.

    The stages that each model came from, back to `preprocess`, must have read what the others wrote, and the files that
    are read here must be those: else the image size would be one run's and the model another's.
    """
    return _read(Path(folder), roles, lock.read(Path(folder)))


def _read(folder, roles, known):
    source, md5s, parameters = folder / LOCK, {}, {}
    for role in roles:
        train = f"train@{role}"
        stages = lock.one_run(known, train, folder, first=("preprocess",))
        if "preprocess" not in stages:
            raise InputError(f"{source}: expected {train} to have read what preprocess wrote, found not; run dvc repro")
        own = [*stages.values(), stages["preprocess"], stages[train]]
        values = {name: value for stage in own for name, value in stage.parameters.items()}
        parameters[role] = used(values, f"{source}: {train}")
        md5s |= lock.written(stages)
    for path in (SPLIT, SERIES, THUMBNAILS, *(WEIGHTS.format(role=role) for role in roles)):
        lock.check_file(folder, path, md5s)
    table = index.read(folder / SPLIT)
    series = index.read_series(folder / SERIES, len(table))
    rows = index.rows(table, "train")
    thumbnails = arrays.thumbnails(folder / THUMBNAILS, len(table))[rows]
    images = {"thumbnails": thumbnails, "threshold": ood_score.threshold(thumbnails, series[rows])}
    images["generated"] = _generated(known, folder)
    models = {}
    for role in roles:
        weights = folder / WEIGHTS.format(role=role)
        models[role] = TrainedModel(weights, **parameters[role], **images, digest=lock.digest(weights))
    return models


def _generated(known, folder):
    """Whether the images are known to be the phantom's; another archive may have been fetched since."""
    with contextlib.suppress(InputError):
        stages = lock.one_run(known, "preprocess", folder)
        return any(stage.parameters.get("data.source") == "phantom" for stage in stages.values())
    return False


def finished(folder, role):
    """The whole run in a folder; InputError where a stage up to the comparison is missing, or of another run.

    Stricter than `read`: all that the comparison came from, of both roles, is of one run and of one set of parameters,
    from the archive on.
    """
    folder = Path(folder)
    known = lock.read(folder)
    model = _read(folder, [role], known)[role]
    stages = lock.one_run(known, "compare", folder)
    md5s, metrics = lock.written(stages), {}
    for name, path in METRICS.items():
        lock.check_file(folder, path.format(role=role), md5s)
        metrics[name] = _json(folder / path.format(role=role))
    return Finished(model, role, _parameters(stages, folder / LOCK), **metrics)


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


def check_weights(model):
    """InputError where another training has replaced the weights since `read`; asked after they were loaded."""
    if lock.digest(model.weights) != model.digest:
        raise InputError(f"{model.weights}: replaced while it was read; wait for dvc repro to end, then ask again")


def _json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise corrupt(path, "metrics in JSON", error) from None
