"""Every key of params.yaml: its type, its range, and which stage may see it."""

import json
import unicodedata
from types import SimpleNamespace
from typing import Annotated, Literal

from annotated_types import Predicate
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kidneyct.pipeline import roles, yaml12
from kidneyct.pipeline.errors import InputError, shown

LEAST_RATE, GREATEST_RATE, RATES = 1e-10, 100, 100  # a smaller one moves no weight of 32 bits
GREATEST_VALUE = 100_000  # of a window; 16 bits hold less
SOURCES = ("kaggle", "phantom")  # what data.source may be beside a path
DRAWN = 200  # images in one picture; more are more pixels than it can have
LONGEST = 100  # characters of a value that a line shows
CHANNELS = (64, 128, 256, 512, 512)  # behind each block of VGG-16, for those too who do without Keras
BLOCKS = len(CHANNELS)


def _whole(least, greatest):
    return Annotated[int, Field(ge=least, le=greatest, description=f"a whole number from {least} to {greatest}")]


def _choice(*names):
    return Annotated[Literal[names], Field(description=f"{', '.join(names[:-1])} or {names[-1]}")]


def _one_line(text):
    """Whether a text is without what breaks a line or can't be written: control characters, half characters."""
    return not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


def _folder_name(text):
    """Whether a text can name a folder, and shows all that it holds: no characters of format, as U+202E is."""
    return text not in (".", "..") and not {"/", "\\"} & set(text) and "Cf" not in map(unicodedata.category, text)


def _window(numbers):
    centre, width = numbers
    return abs(centre) <= GREATEST_VALUE and 1 <= width <= GREATEST_VALUE


Seed = _whole(0, 2**32 - 2)  # NumPy's largest but one: the head's layers draw from the seed and the next
PathLike = Annotated[str, Field(min_length=1), Predicate(_one_line)]
ClassName = Annotated[PathLike, Field(max_length=100), Predicate(_folder_name)]
Different = Predicate(lambda items: len({unicodedata.normalize("NFC", f"{item}") for item in items}) == len(items))
ShareBelow1 = Annotated[float, Field(ge=0, lt=1, description="a number from 0 and below 1")]
Fraction = Annotated[float, Field(gt=0, lt=1, description="a number above 0 and below 1")]
Number = Annotated[int | float, Field(allow_inf_nan=False)]
Rate = Annotated[int | float, Field(ge=LEAST_RATE, le=GREATEST_RATE)]


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
    classes: Annotated[list[ClassName], Different] = Field(
        min_length=2,
        max_length=30,  # the tables of a comparison grow with its third power
        description="2 to 30 different names of class folders, in quotes where they read as numbers",
    )


class Phantom(Section):
    patients_per_class: _whole(1, 100_000)
    slices_per_patient: _whole(1, 100)  # a millimetre each; a kidney is as long
    seed: Seed


class Preprocess(Section):
    image_size: _whole(32, 1024)
    window: Literal["file"] | Annotated[list[Number], Predicate(_window)] = Field(
        description=f"file, or [centre, width] with a width of 1 or more, up to {GREATEST_VALUE} both"
    )
    grey: _choice("file", "matched")
    allow_corrupt: _whole(0, 100_000)


class Series(Section):
    similarity: Fraction
    neighbours: Literal["none"] | Fraction = Field(description="none, or a number above 0 and below 1")
    table: PathLike = Field(
        description="archive, published, none, or the path of a CSV file with the columns image,series"
    )


class Split(Section):
    by: _choice("image", "series", "block")
    test: Fraction
    validation: Fraction
    folds: _whole(1, 1000)
    fold: _whole(0, 999)
    contradictory: _choice("error", "drop", "keep")
    seed: Seed


class Probe(Section):
    slices: _whole(1, 100_000)


class Model(Section):
    dense_units: _whole(1, 16_384)
    frozen_blocks: _whole(0, BLOCKS)
    head: _choice("flatten", "average")
    dropout: ShareBelow1
    pixel_scaling: _choice("unit", "caffe")
    normalize: _choice("none", "features")
    transferred_blocks: _whole(0, BLOCKS)


class Train(Section):
    fraction: float = Field(gt=0, le=1, description="a number above 0 up to 1")
    epochs: _whole(1, 100_000)
    batch_size: _whole(1, 100_000)
    optimizer: _choice("adam", "adamw")
    weight_decay: float = Field(ge=0, le=1, description="a number from 0 to 1")
    learning_rate: Rate | Annotated[list[Rate], Field(min_length=1, max_length=RATES), Different] = Field(
        description=f"a number from {LEAST_RATE:g} to {GREATEST_RATE}, or a list of different ones, {RATES} at most"
    )
    schedule: _choice("constant", "cosine")
    warmup_epochs: _whole(0, 100_000)
    head_epochs: _whole(0, 100_000)
    label_smoothing: ShareBelow1
    balance: _choice("none", "series")
    augment: _choice("none", "ct")
    patience: _whole(1, 100_000)
    precision: _choice("float32", "mixed_bfloat16", "mixed_float16")


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
    def _together(self):
        split, train, blocks = self.split, self.train, self.model.frozen_blocks
        head, warm, epochs, decay = train.head_epochs, train.warmup_epochs, train.epochs, train.weight_decay
        adamw, cosine, path = train.optimizer == "adamw", train.schedule == "cosine", self.data.source not in SOURCES
        drawn = self.explain.images_per_class * len(self.data.classes)
        for holds, names, allowed in (
            (split.test + split.validation < 1, "split.test split.validation", "shares of less than 1 together"),
            (split.fold < split.folds, "split.fold split.folds", "a whole number from 0 below split.folds"),
            (adamw or not decay, "train.weight_decay train.optimizer", "0 unless train.optimizer is adamw"),
            (cosine or not warm, "train.warmup_epochs train.schedule", "0 unless train.schedule is cosine"),
            (head + warm < epochs, "train.epochs train.head_epochs train.warmup_epochs", "more than both together"),
            (blocks < 5 or not head, "train.head_epochs model.frozen_blocks", "0 where all five blocks are frozen"),
            (drawn <= DRAWN, "explain.images_per_class data.classes", f"{DRAWN} images of all classes at most"),
            (path or self.data.labels == "none", "data.labels data.source", "none unless data.source is a path"),
        ):
            if not holds:
                raise PydanticCustomError("rule", "{allowed}", {"allowed": allowed, "keys": names.split()})
        return self


def keys(section=Params, prefix=""):
    """Dotted name of every parameter, mapped to what is allowed there."""
    allowed = {}
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            allowed |= keys(field.annotation, f"{prefix}{name}.")
        else:
            allowed[prefix + name] = field.description
    return allowed


def _shown(value):
    return shown(repr(value), LONGEST)


def _complaint(error, values):
    if error["type"] == "rule":
        key, *others = error["ctx"]["keys"]
        beside = ", ".join(f"{other} {_shown(_at(values, other))}" for other in others)
        return f"{key}: found {_shown(_at(values, key))} beside {beside}; allowed: {error['ctx']['allowed']}"
    if error["type"] == "invalid_key":  # no text
        return _unknown([*error["loc"][:-1], str(error["input"])])
    if error["type"] == "extra_forbidden":
        return _unknown(error["loc"])
    allowed = keys()
    key = next((key for key in (".".join(error["loc"][:1]), ".".join(error["loc"][:2])) if key in allowed), None)
    if key is None:
        key, allowed = ".".join(error["loc"]), {}
    found = None if error["type"] == "missing" else _at(values, key)
    found = "nothing" if found is None else _shown(found)
    return f"{key}: found {found}; allowed: {allowed.get(key, 'a section of keys')}"


def _unknown(where):
    key, start = ".".join(where), len(where) - 1
    names = [name.split(".") for name in keys()]
    known = dict.fromkeys(".".join(name[: start + 1]) for name in names if name[:start] == list(where[:start]))
    return f"{shown(key, LONGEST) or repr(key)}: unknown key; known here: {', '.join(known)}"


def _at(values, key):
    """What stands under a dotted name."""
    for part in key.split("."):
        values = values[part]
    return values


def check(values, source="params.yaml"):
    """Nested values as Params; InputError has a line for each key at fault, `source` in front."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        mistakes = [f"{source}: {_complaint(mistake, values)}" for mistake in error.errors(include_url=False)]
        raise InputError("\n".join(dict.fromkeys(mistakes))) from None  # one for each kind that a value may be of


def validate(path="params.yaml"):
    """Read and check params.yaml; InputError has a line for each key at fault."""
    try:
        values = yaml12.read(path)
    except FileNotFoundError:
        raise InputError(f"{path}: expected in the folder the stage runs in, found none; run from the root") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else _shown(values)
        raise InputError(f"{path}: expected sections of keys, found {found}; git checkout {path} brings it back")
    return check(values, path)


def override(value):
    """A value in the grammar of `dvc exp run -S`."""
    if isinstance(value, list):
        return f"[{','.join(map(override, value))}]"
    if not isinstance(value, str):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def stages(pipeline="dvc.yaml"):
    """The stages of dvc.yaml, one for each role: name, such as train@control -> its entry, with outs as paths alone."""
    found = {}
    for name, entry in yaml12.read(pipeline)["stages"].items():
        items = entry.get("foreach", [""])
        for key in items:
            text = json.dumps(entry.get("do", entry)).replace("${key}", key)
            body = json.loads(text.replace("${item}", items[key] if isinstance(items, dict) else key))
            outs = [*body.get("outs", []), *body.get("metrics", [])]
            body["outs"] = [out if isinstance(out, str) else next(iter(out)) for out in outs]
            found[f"{name}@{key}".rstrip("@")] = body
    return found


def declared(stage, pipeline="dvc.yaml"):
    """The parameters that dvc.yaml declares for a stage, as dotted names; a section there means all its keys.

    "train@control" means the stage train of the role control; InputError where dvc.yaml has no such stage.
    """
    entries, known = stages(pipeline), keys()
    if stage not in entries:
        raise InputError(f"{pipeline}: expected one of the stages {', '.join(entries)}, found {shown(stage)}")
    sections = [f"{name}." for name in entries[stage].get("params", [])]
    return [key for section in sections for key in known if f"{key}.".startswith(section)]


def load(stage, path="params.yaml", pipeline="dvc.yaml"):
    """The parameters of one stage, by attribute: `load("split").split.test`.

    All of params.yaml is checked; only the keys that dvc.yaml declares for the stage are there to be read,
    so that a key that DVC does not watch cannot change a result.
    """
    values, visible = validate(path).model_dump(), SimpleNamespace()
    for key in declared(stage, pipeline):
        *sections, name = key.split(".")
        target = visible
        for section in sections:
            target = vars(target).setdefault(section, SimpleNamespace())
        setattr(target, name, _at(values, key))
    return visible
