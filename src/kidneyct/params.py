"""Every key of params.yaml: its type, its range, and which stage may see it."""

import math
from types import SimpleNamespace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from kidneyct import yaml12
from kidneyct.errors import InputError


def _whole(least, greatest=None):
    allowed = f"a whole number from {least}" + (f" to {greatest}" if greatest is not None else "")
    return Annotated[int, Field(ge=least, le=greatest, description=allowed)]


Seed = _whole(0, 2**32 - 2)  # NumPy's largest but one: the head's layers draw from the seed and the next


Text = Annotated[str, Field(min_length=1)]
Fraction = Annotated[float, Field(gt=0, lt=1, description="a number above 0 and below 1")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Data(Section):
    source: Text = Field(description="kaggle, phantom, or the path of a folder or zip of class folders")
    kaggle: str = Field(pattern=r"^[\w-]+/[\w-]+(/[1-9]\d*)?$", description="owner/name, or owner/name/version")
    classes: list[Text] = Field(min_length=2, description="two or more different names of class folders")

    @model_validator(mode="after")
    def _different(self):
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("data.classes")
        return self


class Phantom(Section):
    patients_per_class: _whole(1)
    slices_per_patient: _whole(1)
    seed: Seed


class Preprocess(Section):
    image_size: _whole(32, 1024)
    allow_corrupt: _whole(0, 100_000)


class Series(Section):
    similarity: Fraction


class Split(Section):
    by: Literal["image", "series"] = Field(description="image or series")
    test: Fraction
    validation: Fraction
    folds: _whole(1)
    fold: _whole(0)
    contradictory: Literal["error", "drop", "keep"] = Field(description="error, drop or keep")
    seed: Seed

    @model_validator(mode="after")
    def _leave_some_to_train(self):
        if self.test + self.validation >= 1:
            raise ValueError("split.test")
        if self.fold >= self.folds:
            raise ValueError("split.fold")
        return self


class Model(Section):
    dense_units: _whole(1)
    frozen_blocks: _whole(0, 5)
    pixel_scaling: Literal["unit", "caffe"] = Field(description="unit or caffe")
    normalize: Literal["none", "features"] = Field(description="none or features")
    transferred_blocks: _whole(0, 5)


def _rates(value):
    rates = value if isinstance(value, list) else [value]
    numbers = all(isinstance(rate, int | float) and not isinstance(rate, bool) for rate in rates)
    if not (rates and numbers and all(0 < rate < math.inf for rate in rates) and len(set(rates)) == len(rates)):
        raise ValueError("train.learning_rate")
    return value


class Train(Section):
    fraction: float = Field(gt=0, le=1, description="a number above 0 up to 1")
    epochs: _whole(1)
    batch_size: _whole(1)
    learning_rate: Annotated[float | list[float], PlainValidator(_rates)]
    patience: _whole(1)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        description="float32, mixed_bfloat16 or mixed_float16"
    )


class Explain(Section):
    images_per_class: _whole(1)
    mistakes: _whole(0)
    measured_images: _whole(1)


class Params(Section):
    weights: Text = Field(description="imagenet, imagenet-stats, none, photographs, or the path of a weights file")
    seed: Seed
    data: Data
    phantom: Phantom
    preprocess: Preprocess
    series: Series
    split: Split
    model: Model
    train: Train
    explain: Explain


# What a rule over several keys allows, by the key that its error names.
ACROSS_KEYS = {
    "data.classes": "two or more different names of class folders",
    "train.learning_rate": "a number above 0, or a list of different ones",
    "split.fold": "split.fold counts from 0 and stays below split.folds",
    "split.test": "split.test and split.validation that together stay below 1",
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


def _complaint(error):
    where = [part for part in error["loc"] if isinstance(part, str)]
    key = ".".join(where)
    if error["type"] == "extra_forbidden":
        siblings = [known for known in keys() if known.split(".")[:-1] == where[:-1]]
        sections = [] if where[:-1] else list(Params.model_fields)
        return f"{key}: unknown key; known here: {', '.join(dict.fromkeys(siblings + sections))}"
    if error["type"] == "value_error":
        key = str(error["ctx"]["error"])
        return f"{key}: found {error['input']}; allowed: {ACROSS_KEYS[key]}"
    allowed = keys().get(key, "a section of keys")
    value = "nothing" if error["type"] == "missing" else repr(error["input"])
    return f"{key}: found {value}; allowed: {allowed}"


def _read(path):
    try:
        return yaml12.read(path)
    except FileNotFoundError:
        raise InputError(f"{path}: expected in the folder the stage runs in, found none; run from the root") from None


def check(values, source="params.yaml"):
    """Nested values as Params; InputError has a line for each key at fault, `source` in front."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        complaints = [f"{source}: {_complaint(mistake)}" for mistake in error.errors()]
        raise InputError("\n".join(complaints)) from None


def validate(path="params.yaml"):
    """Read and check params.yaml; InputError has a line for each key at fault."""
    return check(_read(path), path)


def declared(stage, pipeline="dvc.yaml"):
    """The parameters that dvc.yaml declares for a stage, as dotted names.

    "train@control" means the stage train of the role control; InputError where dvc.yaml has no such.
    """
    name, _, item = stage.partition("@")
    entry = _read(pipeline)["stages"][name]
    items = entry.get("foreach", [])
    if item and item not in items:
        raise InputError(f"{stage}: expected one of {', '.join(f'{name}@{each}' for each in items)}")
    keys = entry.get("do", entry).get("params", [])
    return list(dict.fromkeys(items[item] if key == "${item}" else key for key in keys))


def load(stage, path="params.yaml", pipeline="dvc.yaml"):
    """The parameters of one stage, by attribute: `load("split").split.test`.

    All of params.yaml is checked; only the keys that dvc.yaml declares for the stage are there to be read,
    so that a key that DVC does not watch cannot change a result.
    """
    values = validate(path).model_dump()
    visible = SimpleNamespace()
    for key in declared(stage, pipeline):
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
