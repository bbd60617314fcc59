"""A trained model as one file for others, which `kidneyct predict --model` needs nothing beside.

A zip, not a lone safetensors file: whoever gets it can read card.md, check SHA256SUMS and load the weights with common
tools. Its members are stored as they are, so that no small file unpacks to a large one. Reading runs nothing in it.
"""

import hashlib
import json
import os
import re
import stat
import struct
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

FORMAT = 1
ABOUT, CARD, SUMS = "model.json", "card.md", "SHA256SUMS"
WEIGHTS, THUMBNAILS = "weights.safetensors", "thumbnails.safetensors"
SMALL = 2**20  # bytes that a member of text may have, or the header of one of arrays
END = struct.Struct("<4s4HIIH")  # a zip's last record, at its very end where the zip has no comment
DIRECTORY = 4096  # bytes that the zip's list of members may take; five short names take some 350
LARGE_ZIP_END = b"PK\x06\x07"  # stands 20 bytes before the last record where a zip is too large for that
AGAIN = "ask for the file again, or make it anew with kidneyct export"


def _different(classes):
    if len(set(classes)) < len(classes):
        raise ValueError("found one class twice")
    return classes


class _Data(params.Section):
    classes: Annotated[list[params.ClassName], Field(min_length=2, max_length=30), AfterValidator(_different)]


class _Series(params.Section):
    similarity: params.Fraction


class _Split(params.Section):
    by: Literal["image", "series"]


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
    if path.is_symlink():
        return False
    try:
        with _archive(path) as archive:
            return isinstance(json.loads(_member(archive, ABOUT, SMALL, path)).get("kidneyct"), str)
    except (InputError, ValueError, RecursionError, AttributeError):
        return False


def write(path, run, arrays, card, with_thumbnails=True):
    """Write a finished run's model; the same run gives the same bytes.

    `arrays` are what `classifier.arrays` gives of its network, `card` is text.
    """
    about = about_model(run, with_thumbnails)
    members = {
        ABOUT: (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode(),
        CARD: card.encode(),
        WEIGHTS: safetensors.save({name: np.asarray(values, "<f4", order="C") for name, values in arrays.items()}),
    }
    if with_thumbnails:
        members[THUMBNAILS] = safetensors.save({"thumbnails": np.ascontiguousarray(run.opened.thumbnails)})
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
    parameters = {
        section: {name: run.parameters[key] for name in names if (key := f"{section}.{name}") in run.parameters}
        for section, names in sections.items()
    }
    images = run.opened.thumbnails
    about = {
        "format": FORMAT,
        "kidneyct": metadata.version("kidneyct"),
        "role": run.role,
        "parameters": parameters,
        "likeness": {
            "percentile": float(ood_score.PERCENTILE),
            "threshold": ood_score.threshold(images, run.opened.series),
            "images": len(images),
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
        where, reason = _first(error)
        raise InputError(f"dvc.lock: {where}: {reason}; run dvc repro, and export then") from None


def read(path):
    """An exported model as `trained_model.read` gives one of a run's folder; InputErrors as `read_all` has them."""
    (opened,) = read_all(path)[0].values()
    return opened


def read_all(path):
    """Role -> `Workspace` of an exported model, and what is known `About` its run, as of a run's folder.

    The weights are read later, by `weights`. InputError, of one line, for whatever else may lie in the file: nothing in
    it is trusted, and no more is read than its parts may have.
    """
    with _archive(path) as archive:
        content = _member(archive, ABOUT, SMALL, path)
        try:
            about = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _damaged(path, ABOUT, f"no JSON ({shown(error, 100)})") from None
        _check_format(path, about)
        sums = _sums(archive, path)
        _check_sum(path, ABOUT, content, sums[ABOUT])
        about = _checked(path, about)
        _check_names(path, archive, about.likeness.thumbnails)
        _check_sum(path, CARD, _member(archive, CARD, SMALL, path), sums[CARD])
        thumbnails = _thumbnails(path, archive, about.likeness.images, sums) if about.likeness.thumbnails else None
    parameters, run = lock.dotted(about.parameters.model_dump()), about.run
    opened = trained_model.Workspace(
        **trained_model.used(parameters, f"{shown(path)}: {ABOUT}"),
        weights=Path(path),
        thumbnails=thumbnails,
        series=None,
        digest=sums[WEIGHTS],
        threshold=about.likeness.threshold,
        exported=True,
    )
    headline = {
        about.role: {"accuracy": run.accuracy},
        "leak": {"near_duplicates": run.near_duplicates},
        "without_network": {"nearest_thumbnail": run.nearest_thumbnail},
    }
    generated = {"data.source": "phantom"} if run.generated else {}
    return {about.role: opened}, trained_model.About(parameters | generated, headline)


def weights(opened, shapes):
    """The arrays of an exported model that `read` opened, name -> float32; they have the names and `shapes` asked for.

    InputError where they have not, are no finite numbers, or others than were there when it was opened.
    """
    path, size = opened.weights, 4 * sum(int(np.prod(shape, dtype=object)) for shape in shapes.values())
    with _archive(path) as archive:
        content = _member(archive, WEIGHTS, size + SMALL, path)
    _check_sum(path, WEIGHTS, content, opened.digest)
    arrays = _tensors(path, WEIGHTS, content)
    found = {name: values.shape for name, values in arrays.items()}
    for name in [*shapes, *found]:
        if found.get(name) != shapes.get(name):
            expected = f"{name} of shape {shapes[name]}" if name in shapes else f"no {shown(name, 100)}"
            other = f"{found[name]}" if name in found else "none"
            raise _damaged(path, WEIGHTS, f"{other}", expected)
        values = arrays[name]
        if values.dtype != np.float32:
            raise _damaged(path, WEIGHTS, f"{values.dtype}", f"{name} of float32")
        if not np.isfinite(values).all():
            raise _damaged(path, WEIGHTS, "NaN or an infinite one", f"finite numbers in {name}")
    return arrays


def _archive(path):
    """The zip, opened, once it is known to have few members, each of them stored; InputError where it is none such."""
    where = f"{shown(path)}: expected a model that kidneyct export wrote, found"
    try:
        status = os.stat(path)
        if kind := no_file(status.st_mode):
            raise InputError(f"{where} {kind}; give the file")
        with open(path, "rb") as file:
            file.seek(max(status.st_size - END.size - 20, 0))
            tail = file.read(END.size + 20)
        ended = tail[-END.size :]
        mark, *_, members, directory, _, comment = END.unpack(ended) if len(ended) == END.size else (b"", 0, 0, 0, 0)
        large = tail.startswith(LARGE_ZIP_END) and status.st_size <= zipfile.ZIP64_LIMIT
        if mark != b"PK\x05\x06" or comment or large or members > 5 or directory > DIRECTORY:
            raise InputError(f"{where} another file, or one that is cut short; {AGAIN}")
        archive = zipfile.ZipFile(path)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{where} no such file; give the file that kidneyct export wrote") from None
    except OSError as error:
        raise InputError(f"{where} what can't be read ({error.strerror or shown(error)}); change that") from None
    except Exception as error:  # a damaged zip, or a name that is no path, can make it fail in any way
        raise InputError(f"{where} another file, or a damaged one ({shown(error, 100)}); {AGAIN}") from None
    fault = _fault(archive.infolist(), status.st_size)
    if fault:
        archive.close()
        raise InputError(f"{where} {fault}; {AGAIN}")
    return archive


def _fault(infos, size):
    if len({info.filename for info in infos}) < len(infos):
        return "one member twice"
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
            return f"{shown(info.filename, 100)} compressed or encrypted"
        if info.header_offset + info.file_size > size:
            return f"{shown(info.filename, 100)} larger than the file itself"
    return None


def _member(archive, name, most, path):
    """A member's bytes, `most` of them; InputError where there are more, or none."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise _damaged(path, name, "none", "it in the file") from None
    if info.file_size > most:
        raise _damaged(path, name, f"{info.file_size:,}", f"{most:,} bytes at most")
    try:
        return archive.read(info)
    except Exception as error:  # as above
        raise _damaged(path, name, f"a damaged one ({shown(error, 100) or type(error).__name__})") from None


def _check_format(path, about):
    """InputError where model.json is not of this format; told before all else, which a newer one may have otherwise."""
    number = about.get("format") if isinstance(about, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise _damaged(path, ABOUT, "none", "a format, a whole number from 1")
    if number > FORMAT:
        raise _newer(path, f"format {shown(number, 20)}, this one reads {FORMAT}")


def _newer(path, found):
    return InputError(f"{shown(path)}: made by a newer kidneyct ({found}); install that one")


def _checked(path, about):
    try:
        return _About.model_validate(about)
    except ValidationError as error:
        where, reason = _first(error)
        if error.errors()[0]["type"] == "extra_forbidden":
            raise _newer(path, f"it has {where}, which this one does not know") from None
        raise _damaged(path, ABOUT, reason, where) from None


def _first(error):
    """Where pydantic's first complaint is, dotted, and what it is, each as a line can hold it."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return shown(where, 100) or "an object", shown(first["msg"], 100)


def _check_names(path, archive, with_thumbnails):
    expected = {ABOUT, CARD, WEIGHTS, SUMS} | ({THUMBNAILS} if with_thumbnails else set())
    if other := set(archive.namelist()) ^ expected:
        name = min(other)
        raise _damaged(path, shown(name, 100), *("none", "it") if name in expected else ("it", "no such member"))


def _sums(archive, path):
    """The SHA-256 of each member but this, name -> hexadecimal."""
    content = _member(archive, SUMS, SMALL, path).decode("ascii", "replace")
    lines = [re.fullmatch(r"([0-9a-f]{64})  (\S+)", line) for line in content.splitlines()]
    sums = {line[2]: line[1] for line in lines if line}
    if not all(lines) or len(sums) < len(lines) or {*sums, SUMS} != set(archive.namelist()):
        raise _damaged(path, SUMS, "others", "a line for each other member")
    return sums


def _check_sum(path, name, content, expected):
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise _damaged(path, name, f"{found[:12]}…", f"SHA-256 {expected[:12]}…")


def _tensors(path, name, content):
    try:
        return safetensors.load(content)
    except Exception as error:  # as above
        raise _damaged(path, name, f"none ({shown(error, 100)})", "arrays in safetensors") from None


def _thumbnails(path, archive, images, sums):
    content = _member(archive, THUMBNAILS, 625 * images + SMALL, path)
    _check_sum(path, THUMBNAILS, content, sums[THUMBNAILS])
    arrays = _tensors(path, THUMBNAILS, content)
    found = {name: (str(values.dtype), values.shape) for name, values in arrays.items()}
    if found != {"thumbnails": ("uint8", (images, 25, 25))}:
        raise _damaged(path, THUMBNAILS, f"{shown(found, 100)}", f"thumbnails of uint8, ({images}, 25, 25)")
    return arrays["thumbnails"]


def _damaged(path, member, found, expected="it as kidneyct export wrote it"):
    return InputError(f"{shown(path)}: {member}: expected {expected}, found {found}; {AGAIN}")
