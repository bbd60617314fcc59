"""A run's trained model and all that its predictions need, as dvc.lock knows them, not as params.yaml says by now."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field, create_model

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier
from kidneyct.files import arrays, index
from kidneyct.leakage import overlap
from kidneyct.pipeline import lock, params
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.pipeline.roles import ROLES

# What is read of a run, in the places where its stages put it.
SPLIT, SERIES, THUMBNAILS = "data/split.csv", "data/series.csv", "data/images/thumbnails.npy"
WEIGHTS = "models/{role}/model.weights.h5"
METRIC_FILES = {
    "leakage": "metrics/leakage/leakage.json",
    "comparison": "metrics/comparison/comparison.json",
    "external": "metrics/comparison/external.json",
    "evaluation": "metrics/comparison/{role}/evaluation.json",
}
AGAIN = "ask for the file again, or make it again with kidneyct export"
USED = {
    params.Data: ("classes",),
    params.Preprocess: ("image_size", "window", "grey"),
    params.Model: ("dense_units", "pixel_scaling", "normalize", "head"),
    params.Series: ("similarity",),
}


# The parameters of a run that a prediction needs; their aliases are their dotted names.
Settings = create_model(
    "Settings",
    __base__=params.Section,
    **{
        name: (section.model_fields[name].rebuild_annotation(), Field(alias=f"{section.__name__.lower()}.{name}"))
        for section, names in USED.items()
        for name in names
    },
)


class TrainedModel(NamedTuple):
    """What a prediction needs, of a run's folder or of an exported file."""

    weights: Path
    settings: Settings
    thumbnails: np.ndarray | None  # (n, 25, 25) uint8, the training images'; None where an exported model has none
    threshold: float  # `overlap.threshold` of the training images
    generated: bool = False  # the training images were
    digest: str = ""  # MD5 of the weights of a run's folder
    arrays: dict | None = None  # the weights of an exported model, which `weights` is the file of


class Finished(NamedTuple):
    """A whole run, for those who were not there: one role's model and what was measured."""

    model: TrainedModel
    role: str
    parameters: dict  # by dotted name, of all stages that its comparison came from
    leakage: dict
    comparison: dict
    external: dict  # {"images": 0} without an external test set
    evaluation: dict


def read(folder, roles=ROLES):
    """The models of a finished run in a folder, role -> TrainedModel; InputError says what is missing, and what to do.

    The stages that each model came from, back to `preprocess`, must have read what the others wrote, and the files that
    are read here must be those: else the image size would be one run's and the model another's.
    """
    folder = Path(folder)
    known, source, md5s, settings = lock.read(folder), folder / "dvc.lock", {}, {}
    for role in roles:
        stages = lock.one_run(known, f"train@{role}", folder, stop_at=("preprocess",))
        own = _parameters(stages, source)
        needed = {field.alias for field in Settings.model_fields.values()} & own.keys()
        settings[role] = lock.checked(Settings, {key: own[key] for key in needed}, f"{source}: train@{role}")
        md5s |= lock.written(stages)
    for path in (SPLIT, SERIES, THUMBNAILS, *(WEIGHTS.format(role=role) for role in roles)):
        lock.check_file(folder, path, md5s)
    table = index.read(folder / SPLIT)
    series = index.read_series(folder / SERIES, len(table))
    rows = index.rows(table, "train")
    thumbnails = arrays.thumbnails(folder / THUMBNAILS, len(table))[rows]
    download = known.stages.get("download", lock.Stage())
    generated = download.parameters.get("data.source") == "phantom"
    shared = thumbnails, overlap.threshold(thumbnails, series[rows]), generated
    weights = {role: folder / WEIGHTS.format(role=role) for role in roles}
    return {role: TrainedModel(path, settings[role], *shared, lock.digest(path)) for role, path in weights.items()}


def finished(folder, role):
    """The whole run in a folder; InputError where a stage up to the comparison is missing, or of another run.

    Stricter than `read`: all that the comparison came from, of both roles, is of one run and of one set of parameters,
    from the archive on.
    """
    folder = Path(folder)
    model = read(folder, [role])[role]
    stages = lock.one_run(lock.read(folder), "compare", folder)
    md5s, metrics = lock.written(stages), {}
    for name, path in METRIC_FILES.items():
        path = path.format(role=role)
        lock.check_file(folder, path, md5s)
        metrics[name] = json.loads((folder / path).read_text(encoding="utf-8"))
    return Finished(model, role, _parameters(stages, folder / "dvc.lock"), **metrics)


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


def network(model):
    """The network of a TrainedModel; InputError where its weights are damaged, or not those that were opened."""
    devices.prepare(seed=0)
    size, head = model.settings.image_size, classifier.head(model.settings, model.settings.classes)
    if model.arrays is not None:
        built = classifier.network(vgg.base(size), *head, seed=None)
        check_arrays(model, {name: tuple(weight.shape) for name, weight in classifier.variables(built)})
        classifier.fill(built, model.arrays)
        return built
    built = classifier.trained(model.weights, size, *head)
    if lock.digest(model.weights) != model.digest:  # by another training since `read`
        raise InputError(f"{model.weights}: replaced while it was read; wait for dvc repro to end, then ask again")
    return built


def check_arrays(model, shapes):
    """InputError where an exported model's arrays are not float32 of these names and `shapes`, or no finite numbers."""
    expected = {name: ("float32", tuple(shape)) for name, shape in shapes.items()}
    found = {name: (str(values.dtype), values.shape) for name, values in model.arrays.items()}
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            fault = f"expected {expected.get(name, 'none')} as {shown(name, 100)}, found {found.get(name, 'none')}"
        elif not np.isfinite(model.arrays[name]).all():
            fault = f"expected finite numbers in {name}, found NaN or an infinite one"
        else:
            continue
        raise InputError(f"{shown(model.weights)}: {fault}; {AGAIN}")
