"""A trained model as one file for others, which `kidneyct predict --model` needs nothing beside.

A zip, not a lone safetensors file: whoever gets it can read card.md, check SHA256SUMS and load the weights with common
tools. Its members are stored as they are, so that no small file unpacks to a large one. Reading runs nothing in it.
"""

import hashlib
import json
import os
import re
import stat
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, ValidationError
from safetensors import numpy as safetensors

from kidneyct.files.atomic import atomic_write
from kidneyct.leakage import ood_score
from kidneyct.pipeline import lock, params
from kidneyct.pipeline.errors import InputError, no_file, shown
from kidneyct.pipeline.roles import ROLES
from kidneyct.predict import trained_model

ABOUT, CARD, SUMS = "model.json", "card.md", "SHA256SUMS"
WEIGHTS, THUMBNAILS = "weights.safetensors", "thumbnails.safetensors"
SMALL = 2**20  # bytes that a member of text may have, or the header of one of arrays
AGAIN = "ask for the file again, or make it anew with kidneyct export"
SPLITS = params.Split.model_fields["by"].annotation


def _different(classes):
    if len(set(classes)) < len(classes):
        raise ValueError("found one class twice")
    return classes


class _Data(params.Section):
    classes: Annotated[list[params.ClassName], Field(min_length=2, max_length=30), AfterValidator(_different)]


class _Series(params.Section):
    similarity: params.Fraction


class _Split(params.Section):
    by: SPLITS


class _Parameters(params.Section):
    """Some are whole sections of params.yaml: what one of them gains is carried, and asked for, without more ado."""

    data: _Data
    preprocess: params.Preprocess
    series: _Series
    split: _Split
    model: params.Model


class _Likeness(params.Section):
    percentile: Annotated[float, Field(gt=0, lt=100)]
    threshold: Annotated[float, Field(ge=-1.01, le=1.01)]
    images: Annotated[int, Field(ge=1, le=10**9)]  # that trained
    thumbnails: bool  # whether theirs are in the file


Share = Annotated[float, Field(ge=0, le=1)]


class _Run(params.Section):
    """What to know of the run beside an answer of its model."""

    generated: bool  # whether its images were
    accuracy: Share  # of the model on the test images
    nearest_thumbnail: Share  # the same without a network
    near_duplicates: Share  # of the test images, in training


class _About(params.Section):
    """model.json."""

    format: Literal[1]
    kidneyct: str  # the version that wrote it
    role: Literal[ROLES]
    parameters: _Parameters
    likeness: _Likeness
    run: _Run


def check_place(path):
    """InputError where writing to a path would take the place of anything but an exported model, or of its draft."""
    path = Path(path)
    if not path.name or path.is_dir():
        raise InputError(f"{shown(path)}: expected a name for the file, found a folder; add a name")
    if os.path.lexists(path) and not _is_own(path):
        raise InputError(f"{shown(path)}: is there and no exported model; choose another name, or remove it")
    partial = path.with_name(f".{path.name}")
    if os.path.lexists(partial):
        raise InputError(f"{shown(partial)}: is in the way, as an interrupted export leaves it; remove or rename it")


def _is_own(path):
    try:
        return not path.is_symlink() and bool(read(path))
    except InputError:
        return False


def write(path, run, arrays, card, with_thumbnails=True):
    """Write the model of a `trained_model.Finished`; the same run gives the same bytes.

    `arrays` are what `classifier.arrays` gives of its network, `card` is text.
    """
    about = about_model(run, with_thumbnails)
    members = {
        ABOUT: (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode(),
        CARD: card.encode(),
        WEIGHTS: safetensors.save({name: np.asarray(values, "<f4", order="C") for name, values in arrays.items()}),
    }
    if with_thumbnails:
        members[THUMBNAILS] = safetensors.save({"thumbnails": np.ascontiguousarray(run.model.thumbnails)})
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    members[SUMS] = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
    check_place(path)
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)  # dated 1980, as a zip must have some date
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)


def about_model(run, with_thumbnails):
    """model.json of a finished run, checked as it will be on reading."""
    sections = {name: field.annotation.model_fields for name, field in _Parameters.model_fields.items()}
    about = {
        "format": 1,
        "kidneyct": metadata.version("kidneyct"),
        "role": run.role,
        "parameters": {
            section: {name: run.parameters[key] for name in names if (key := f"{section}.{name}") in run.parameters}
            for section, names in sections.items()
        },
        "likeness": {
            "percentile": float(ood_score.PERCENTILE),
            "threshold": run.model.threshold,
            "images": len(run.model.thumbnails),
            "thumbnails": with_thumbnails,
        },
        "run": {
            "generated": run.parameters["data.source"] == "phantom",
            "accuracy": run.evaluation["accuracy"],
            "nearest_thumbnail": run.leakage["accuracy"]["nearest_thumbnail"],
            "near_duplicates": run.leakage["near_duplicates"]["share"],
        },
    }
    try:
        return _About.model_validate(about).model_dump()
    except ValidationError as error:
        raise InputError(f"dvc.lock: {_first(error)}; run dvc repro, and export then") from None


def read(path):
    """Open an exported model: its role and its TrainedModel, whose weights are read later, by `weights`.

    InputError, of one line, for whatever else may lie in the file: nothing in it is trusted, and of a member no more is
    read than it may have.
    """
    with _archive(path) as archive:
        sums = _sums(archive, path)
        about = _about(path, _member(archive, path, ABOUT, SMALL, sums[ABOUT]))
        _member(archive, path, CARD, SMALL, sums[CARD])
        thumbnails, shape = None, (about.likeness.images, 25, 25)
        if about.likeness.thumbnails != (THUMBNAILS in sums):
            raise _damaged(path, f"{THUMBNAILS}: there or not against what {ABOUT} says")
        if about.likeness.thumbnails:
            content = _member(archive, path, THUMBNAILS, int(np.prod(shape)) + SMALL, sums[THUMBNAILS])
            thumbnails = _arrays(path, THUMBNAILS, content, {"thumbnails": ("uint8", shape)})["thumbnails"]
    return about.role, trained_model.TrainedModel(
        **trained_model.used(lock.dotted(about.parameters.model_dump()), shown(path)),
        weights=Path(path),
        thumbnails=thumbnails,
        threshold=about.likeness.threshold,
        digest=sums[WEIGHTS],
        exported=True,
        generated=about.run.generated,
    )


def weights(model, shapes):
    """The arrays of an exported model that `read` opened, name -> float32; they have the names and `shapes` asked for.

    InputError where they have not, are no finite numbers, or others than were there when it was opened.
    """
    path, size = model.weights, 4 * sum(int(np.prod(shape, dtype=object)) for shape in shapes.values())
    with _archive(path) as archive:
        content = _member(archive, path, WEIGHTS, size + SMALL, model.digest)
    arrays = _arrays(path, WEIGHTS, content, {name: ("float32", tuple(shape)) for name, shape in shapes.items()})
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise _damaged(path, f"{WEIGHTS}: expected finite numbers in {name}, found NaN or an infinite one")
    return arrays


def _archive(path):
    """The zip, opened; InputError where it is none, or has compressed members, of which a small one may be a bomb."""
    where = f"{shown(path)}: expected a model that kidneyct export wrote, found"
    try:
        if kind := no_file(os.stat(path).st_mode):
            raise InputError(f"{where} {kind}; give the file")
        archive = zipfile.ZipFile(path)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{where} no such file; give the file that kidneyct export wrote") from None
    except OSError as error:
        raise InputError(f"{where} what can't be read ({error.strerror or shown(error)}); change that") from None
    except Exception as error:  # a damaged zip, or a name that is no path, can make it fail in any way
        raise InputError(f"{where} another file, or a damaged one ({shown(error, 100)}); {AGAIN}") from None
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        archive.close()
        raise InputError(f"{where} compressed members; {AGAIN}")
    return archive


def _member(archive, path, name, most, sha256=None):
    """A member's bytes, `most` at most, of this SHA-256; InputError where there are others, more, or none."""
    try:
        info = archive.getinfo(name)
        if info.file_size > most:
            raise ValueError(f"{info.file_size:,} bytes, more than {most:,}")
        content = archive.read(info)
    except Exception as error:  # as above
        raise _damaged(path, f"{name}: missing or damaged ({shown(error, 100) or type(error).__name__})") from None
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, found):
        raise _damaged(path, f"{name}: expected SHA-256 {sha256[:12]}…, found {found[:12]}…")
    return content


def _sums(archive, path):
    """The SHA-256 of each member but this, name -> hexadecimal; InputError where the file has not its members."""
    text = _member(archive, path, SUMS, SMALL).decode("ascii", "replace")
    sums = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (\S+)$", text, re.MULTILINE)}
    names, needed = set(archive.namelist()), {ABOUT, CARD, WEIGHTS, SUMS}
    if {*sums, SUMS} != names or not needed <= names <= needed | {THUMBNAILS}:
        listed = shown(", ".join(sorted(names)), 200)
        raise _damaged(path, f"expected {', '.join(sorted(needed))} and its line for each other, found {listed}")
    return sums


def _about(path, content):
    """model.json as `_About`; InputError where it is none, or of another version."""
    try:
        return _About.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["loc"] == ("format",) or first["type"] == "extra_forbidden":
            raise InputError(f"{shown(path)}: made by another kidneyct ({_first(error)}); install that one") from None
        raise _damaged(path, f"{ABOUT}: {_first(error)}") from None


def _first(error):
    """Where pydantic's first complaint is, dotted, and what it is, as a line can hold them."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = shown(".".join(map(str, first["loc"])), 100) or "as a whole"
    return f"{where}: {shown(first['msg'].removeprefix('Value error, '), 100) or 'not allowed'}"


def _arrays(path, member, content, expected):
    """The arrays in a member, which are those `expected`, name -> (type, shape); InputError where they are others."""
    try:
        arrays = safetensors.load(content)
    except Exception as error:  # as above
        raise _damaged(path, f"{member}: expected arrays in safetensors, found none ({shown(error, 100)})") from None
    found = {name: (str(values.dtype), values.shape) for name, values in arrays.items()}
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            kinds = ["{} {}".format(*kinds[name]) if name in kinds else "none" for kinds in (expected, found)]
            raise _damaged(path, f"{member}: expected {kinds[0]} as {shown(name, 100)}, found {kinds[1]}")
    return arrays


def _damaged(path, what):
    return InputError(f"{shown(path)}: {what}; {AGAIN}")
