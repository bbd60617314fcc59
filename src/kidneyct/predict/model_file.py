"""A trained model as one file for others, which `kidneyct predict --model` needs nothing beside.

A zip, not a lone safetensors file: whoever gets it can read card.md and load the weights with common tools. Its members
are stored as they are, so that no small file unpacks to a large one. Reading runs nothing in it.
"""

import json
import os
import stat
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError
from safetensors import numpy as safetensors

from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline import params
from kidneyct.pipeline.errors import InputError, faults, no_file, shown
from kidneyct.pipeline.roles import ROLES
from kidneyct.predict import trained_model
from kidneyct.predict.trained_model import AGAIN

ABOUT, CARD, WEIGHTS = "model.json", "card.md", "weights.safetensors"
THUMBNAILS = "thumbnails"  # the array of them among the weights


class _About(params.Section):
    """model.json."""

    format: Literal[2]
    kidneyct: str  # the version that wrote it
    role: Literal[ROLES]
    parameters: trained_model.Settings
    threshold: Annotated[float, Field(ge=-1.01, le=1.01)]
    images: Annotated[int, Field(ge=1)]  # that trained
    generated: bool  # whether they were


def check_place(path):
    """InputError where a file would take another's place, or its draft would, which an interrupted export leaves."""
    path = Path(path)
    for taken in (path, path.parent / f".{path.name}"):
        if os.path.lexists(taken):
            raise InputError(f"{shown(taken)}: expected no such file, found one; choose another name, or remove it")


def write(path, run, arrays, card, with_thumbnails=True):
    """Write the model of a `trained_model.Finished`; the same run gives the same bytes.

    `arrays` are what `classifier.arrays` gives of its network, `card` is text.
    """
    about = {
        "format": 2,
        "kidneyct": metadata.version("kidneyct"),
        "role": run.role,
        "parameters": run.model.settings.model_dump(by_alias=True),
        "threshold": run.model.threshold,
        "images": len(run.model.thumbnails),
        "generated": run.parameters["data.source"] == "phantom",
    }
    content = {name: np.asarray(values, "<f4", order="C") for name, values in arrays.items()}
    if with_thumbnails:
        content[THUMBNAILS] = np.ascontiguousarray(run.model.thumbnails)
    members = {
        ABOUT: json.dumps(about, indent=2, ensure_ascii=False) + "\n",
        CARD: card,
        WEIGHTS: safetensors.save(content),
    }
    check_place(path)
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, member in members.items():
            info = zipfile.ZipInfo(name)  # dated 1980, as a zip must have some date
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, member)


def read(path):
    """Open an exported model: its role and its TrainedModel, whose arrays `trained_model.network` checks.

    InputError, of one line, for whatever else may lie in the file: nothing in it is trusted.
    """
    content, arrays = _members(path)
    try:
        about = _About.model_validate_json(content)
    except ValidationError as error:
        fault = shown(next(faults(error)), 150)
        raise InputError(f"{shown(path)}: {ABOUT} is of another kidneyct, or damaged ({fault}); {AGAIN}") from None
    thumbnails, shape = arrays.pop(THUMBNAILS, None), (about.images, 25, 25)
    if thumbnails is not None and (thumbnails.dtype, thumbnails.shape) != (np.uint8, shape):
        raise InputError(f"{shown(path)}: expected uint8 {shape} as {THUMBNAILS}, found {thumbnails.shape}; {AGAIN}")
    given = Path(path), about.parameters, thumbnails, about.threshold, about.generated
    return about.role, trained_model.TrainedModel(*given, arrays=arrays)


def _members(path):
    """The bytes of model.json, and the arrays, name -> array; InputError where the file has none."""
    try:
        if kind := no_file(os.stat(path).st_mode):
            raise ValueError(kind)
        with zipfile.ZipFile(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                raise ValueError("its members are compressed")  # so a small one may be a bomb
            return archive.read(ABOUT), safetensors.load(archive.read(WEIGHTS))
    except Exception as error:  # a damaged zip, or a name that is no path, can make it fail in any way
        fault = getattr(error, "strerror", None) or shown(error, 100) or type(error).__name__
        raise InputError(
            f"{shown(path)}: expected a model that kidneyct export wrote, found none that can be read ({fault}); "
            f"{AGAIN}"
        ) from None
