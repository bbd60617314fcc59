"""Every key of params.yaml: its type, its range, and which stage may see it."""

import itertools
import os
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kidneyct.pipeline import errors, roles, yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.yaml12 import LONGEST, shown

LEAST_RATE, GREATEST_RATE, RATES = 1e-10, 100, 100  # a smaller one moves no weight of 32 bits
GREATEST_VALUE = 100_000  # of a window; 16 bits hold less
DRAWN = 200  # images in one picture; more are more pixels than it can have
MOST = 20  # mistakes that are told one by one


def _whole(least, greatest):
    return Annotated[int, Field(ge=least, le=greatest, description=f"a whole number from {least} to {greatest}")]


def _wrong(*keys):
    """The error of a rule: which keys it is over, the one to name first; RULES says what it allows."""
    return PydanticCustomError("rule", "{keys}", {"keys": keys})


def _written(text):
    """Text without what breaks a line or can't be written to a file: control characters, half characters."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise ValueError
    return text


def _nameable(text):
    """A path whose names a file system can hold."""
    if len(text.encode()) > 4000 or any(len(name.encode()) > 255 for name in text.split("/")):
        raise ValueError
    return text


def _folder(text):
    """The name of one folder, not the way to it."""
    if text in (".", "..") or "/" in text or "\\" in text:
        raise ValueError
    return text


Seed = _whole(0, 2**32 - 2)  # NumPy's largest but one: the head's layers draw from the seed and the next
Text = Annotated[str, Field(min_length=1), AfterValidator(_written)]
PathLike = Annotated[Text, AfterValidator(_nameable)]
ClassName = Annotated[Text, Field(max_length=100), AfterValidator(_folder)]
ShareBelow1 = Annotated[float, Field(ge=0, lt=1, description="a number from 0 and below 1")]
Fraction = Annotated[float, Field(gt=0, lt=1, description="a number above 0 and below 1")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Data(Section):
    source: PathLike = Field(description="kaggle, phantom, or the path of a folder or zip of images or DICOM files")
    labels: PathLike = Field(description="none, or the path of a CSV file")
    external: PathLike = Field(description="none, or the path of another folder or zip of images or DICOM files")
    kaggle: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[1-9][0-9]{0,8})?$",
        description="owner/name, or owner/name/version, of letters, digits, -, _ and .",
    )
    classes: list[ClassName] = Field(
        min_length=2,
        max_length=30,  # the tables of a comparison grow with its third power
        description="2 to 30 different names of class folders, in quotes where they read as numbers",
    )

    @model_validator(mode="after")
    def _different(self):
        if len(set(self.classes)) < len(self.classes):
            raise _wrong("data.classes")
        return self


class Phantom(Section):
    patients_per_class: _whole(1, 100_000)
    slices_per_patient: _whole(1, 100)  # a millimetre each; a kidney is as long
    seed: Seed


def _window(value):
    numbers = isinstance(value, list) and all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in value
    )
    if value != "file" and not (
        numbers and len(value) == 2 and abs(value[0]) <= GREATEST_VALUE and 1 <= value[1] <= GREATEST_VALUE
    ):
        raise ValueError
    return value


class Preprocess(Section):
    image_size: _whole(32, 1024)
    window: Annotated[str | list[float | int], PlainValidator(_window)] = Field(
        description=f"file, or [centre, width] with a width of 1 or more, up to {GREATEST_VALUE} both"
    )
    grey: Literal["file", "matched"] = Field(description="file or matched")
    allow_corrupt: _whole(0, 100_000)


def _neighbours(value):
    if value != "none" and not (isinstance(value, float) and 0 < value < 1):
        raise ValueError
    return value


class Series(Section):
    similarity: Fraction
    neighbours: Annotated[str | float, PlainValidator(_neighbours)] = Field(
        description="none, or a number above 0 and below 1"
    )
    table: PathLike = Field(
        description="archive, published, none, or the path of a CSV file with the columns image,series"
    )


class Split(Section):
    by: Literal["image", "series", "block"] = Field(description="image, series or block")
    test: Fraction
    validation: Fraction
    folds: _whole(1, 1000)
    fold: _whole(0, 999)
    contradictory: Literal["error", "drop", "keep"] = Field(description="error, drop or keep")
    seed: Seed

    @model_validator(mode="after")
    def _leave_some_to_train(self):
        if self.test + self.validation >= 1:
            raise _wrong("split.test", "split.validation")
        if self.fold >= self.folds:
            raise _wrong("split.fold", "split.folds")
        return self


class Probe(Section):
    slices: _whole(1, 100_000)


class Model(Section):
    dense_units: _whole(1, 16_384)
    frozen_blocks: _whole(0, 5)
    head: Literal["flatten", "average"] = Field(description="flatten or average")
    dropout: ShareBelow1
    pixel_scaling: Literal["unit", "caffe"] = Field(description="unit or caffe")
    normalize: Literal["none", "features"] = Field(description="none or features")
    transferred_blocks: _whole(0, 5)


def _rates(value):
    rates = value if isinstance(value, list) else [value]
    numbers = all(isinstance(rate, int | float) and not isinstance(rate, bool) for rate in rates)
    if not (
        1 <= len(rates) <= RATES
        and numbers
        and all(LEAST_RATE <= rate <= GREATEST_RATE for rate in rates)
        and len(set(rates)) == len(rates)
    ):
        raise ValueError
    return value


class Train(Section):
    fraction: float = Field(gt=0, le=1, description="a number above 0 up to 1")
    epochs: _whole(1, 100_000)
    batch_size: _whole(1, 100_000)
    optimizer: Literal["adam", "adamw"] = Field(description="adam or adamw")
    weight_decay: float = Field(ge=0, le=1, description="a number from 0 to 1")
    learning_rate: Annotated[float | list[float], PlainValidator(_rates)] = Field(
        description=f"a number from {LEAST_RATE:g} to {GREATEST_RATE}, or a list of different ones, {RATES} at most"
    )
    schedule: Literal["constant", "cosine"] = Field(description="constant or cosine")
    warmup_epochs: _whole(0, 100_000)
    head_epochs: _whole(0, 100_000)
    label_smoothing: ShareBelow1
    balance: Literal["none", "series"] = Field(description="none or series")
    augment: Literal["none", "ct"] = Field(description="none or ct")
    patience: _whole(1, 100_000)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        description="float32, mixed_bfloat16 or mixed_float16"
    )

    @model_validator(mode="after")
    def _together(self):
        if self.weight_decay and self.optimizer != "adamw":
            raise _wrong("train.weight_decay", "train.optimizer")
        if self.warmup_epochs and self.schedule != "cosine":
            raise _wrong("train.warmup_epochs", "train.schedule")
        if self.head_epochs + self.warmup_epochs >= self.epochs:
            raise _wrong("train.epochs", "train.head_epochs", "train.warmup_epochs")
        return self


class Explain(Section):
    images_per_class: _whole(1, DRAWN)
    mistakes: _whole(0, DRAWN)
    measured_images: _whole(0, 10_000)


class Params(Section):
    weights: PathLike = Field(description=f"{', '.join(roles.STARTS)} or the path of a weights file")
    seed: Seed
    data: Data
    phantom: Phantom
    preprocess: Preprocess
    series: Series
    split: Split
    probe: Probe
    model: Model
    train: Train
    explain: Explain

    @model_validator(mode="after")
    def _possible(self):
        if self.explain.images_per_class * len(self.data.classes) > DRAWN:
            raise _wrong("explain.images_per_class", "data.classes")
        if self.data.labels != "none" and self.data.source in ("kaggle", "phantom"):
            raise _wrong("data.labels", "data.source")
        if self.train.head_epochs and self.model.frozen_blocks == 5:
            raise _wrong("train.head_epochs", "model.frozen_blocks")
        images = self.phantom.patients_per_class * self.phantom.slices_per_patient
        if self.data.source == "phantom" and self.split.folds > images:
            raise _wrong("split.folds", "phantom.patients_per_class", "phantom.slices_per_patient")
        return self


# What a rule allows, by the key that its error names first.
RULES = {
    "data.classes": "names of class folders, each once",
    "data.labels": "a table only for a data.source that is a path, else none",
    "explain.images_per_class": f"images of all classes together up to {DRAWN}",
    "split.fold": "a whole number from 0 that stays below split.folds",
    "split.folds": "no more folds than the phantom has images of a class",
    "split.test": "two shares that together stay below 1",
    "train.epochs": "more epochs than the head's and the warm-up's together",
    "train.head_epochs": "0 where all five blocks are frozen, as the head always trains alone then",
    "train.warmup_epochs": "0 unless train.schedule is cosine",
    "train.weight_decay": "0 unless train.optimizer is adamw",
}


def keys(section=Params, prefix=""):
    """Dotted name of every parameter, mapped to what is allowed there."""
    allowed = {}
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            allowed |= keys(field.annotation, f"{prefix}{name}.")
        else:
            allowed[prefix + name] = field.description
    return allowed


def _complaint(error, values):
    if error["type"] == "rule":
        key, *others = error["ctx"]["keys"]
        beside = ", ".join(f"{other} {shown(_at(values, other))}" for other in others)
        found = shown(_at(values, key)) + (f" beside {beside}" if beside else "")
        return f"{key}: found {found}; allowed: {RULES[key]}"
    if error["type"] == "invalid_key":  # no text
        return _unknown([*error["loc"][:-1], str(error["input"])])
    if error["type"] == "extra_forbidden":
        return _unknown(error["loc"])
    key = ".".join(part for part in error["loc"] if isinstance(part, str))  # a number is a place in a list
    nothing = error["type"] == "missing" or error["input"] is None
    found = "nothing" if nothing else shown(error["input"])
    return f"{key}: found {found}; allowed: {keys().get(key, 'a section of keys')}"


def _unknown(where):
    key, start = ".".join(where), len(where) - 1
    names = [name.split(".") for name in keys()]
    known = dict.fromkeys(".".join(name[: start + 1]) for name in names if name[:start] == list(where[:start]))
    named = key if key.isprintable() and 0 < len(key) <= LONGEST else shown(key)
    return f"{named}: unknown key; known here: {', '.join(known)}"


def _at(values, key):
    """What stands under a dotted name."""
    for part in key.split("."):
        values = values[part]
    return values


def _read(path):
    try:
        values = yaml12.read(path)
    except FileNotFoundError:
        raise InputError(f"{path}: expected in the folder the stage runs in, found none; run from the root") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else shown(values)
        raise InputError(f"{path}: expected sections of keys, found {found}; git checkout {path} brings it back")
    return values


def check(values, source="params.yaml"):
    """Nested values as Params; InputError has a line for each key at fault, `source` in front."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        complaints = [f"{source}: {_complaint(mistake, values)}" for mistake in mistakes[:MOST]]
        if len(mistakes) > MOST:
            complaints.append(f"{source}: and {len(mistakes) - MOST} more such lines")
        raise InputError("\n".join(complaints)) from None


def validate(path="params.yaml"):
    """Read and check params.yaml; InputError has a line for each key at fault."""
    return check(_read(path), path)


def check_start(weights):
    """InputError where `weights` is neither the name of a start nor a path at which something is."""
    if weights not in roles.STARTS and not os.path.exists(weights):
        raise InputError(
            f"params.yaml: weights: expected {keys()['weights']}, found nothing at {errors.shown(weights)} (seen "
            f"from {Path.cwd()}); experiments in the queue and with --temp need an absolute path"
        )


def declared(stage, pipeline="dvc.yaml"):
    """The parameters that dvc.yaml declares for a stage, as dotted names; a section there means all its keys.

    "train@control" means the stage train of the role control; InputError where dvc.yaml has no such stage.
    """
    name, at, item = stage.partition("@")
    stages = _read(pipeline).get("stages")
    entry = stages.get(name) if isinstance(stages, dict) else None
    if not isinstance(entry, dict):
        raise InputError(f"{pipeline}: expected a stage {name}, found none; git checkout {pipeline} brings it back")
    items = entry.get("foreach", [])
    if at and item not in items:
        raise InputError(f"{stage}: expected one of {', '.join(f'{name}@{each}' for each in items)}")
    found = [items[item] if key == "${item}" else key for key in entry.get("do", entry).get("params", [])]
    unfolded = ([each for each in keys() if f"{each}.".startswith(f"{key}.")] or [key] for key in found)
    return list(dict.fromkeys(itertools.chain.from_iterable(unfolded)))


def load(stage, path="params.yaml", pipeline="dvc.yaml"):
    """The parameters of one stage, by attribute: `load("split").split.test`.

    All of params.yaml is checked; only the keys that dvc.yaml declares for the stage are there to be read,
    so that a key that DVC does not watch cannot change a result.
    """
    values = validate(path).model_dump()
    visible = SimpleNamespace()
    known = keys()
    for key in declared(stage, pipeline):
        if key not in known:
            raise InputError(f"{pipeline}: {stage}: expected parameters of {path}, found {shown(key)}; remove it")
        *sections, name = key.split(".")
        source, target = values, visible
        for section in sections:
            source = source[section]
            if not hasattr(target, section):
                setattr(target, section, SimpleNamespace())
            target = getattr(target, section)
        setattr(target, name, source[name])
    return visible


def nested(visible):
    """What `load` gave as nested dictionaries."""
    return {
        name: nested(value) if isinstance(value, SimpleNamespace) else value for name, value in vars(visible).items()
    }
