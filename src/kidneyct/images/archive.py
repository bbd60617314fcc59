"""One layout for every source of images: a zip laid out as Kaggle's."""

import contextlib
import os
import shutil
import unicodedata
import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kidneyct.files.atomic import atomic_write
from kidneyct.images import container
from kidneyct.pipeline.errors import InputError, shown

ROOT = "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone/CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone"
MASKS = "masks"
PATIENTS = "patients.csv"  # says which patient or scan each image is of: columns image and series
TABLES = ("kidneyData.csv", PATIENTS)
SUFFIXES = {".jpg", ".jpeg", ".png"}
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
LONGEST = 255  # bytes of a file's name, as file systems have it
OTHERWISE = {"data.source": "kaggle, phantom", "data.external": "none"}  # what a parameter may say beside a path
UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's categories: line breaks, turns of direction, no text at all


class Image(NamedTuple):
    image: str  # "Cyst/Cyst- (1).jpg", its name everywhere else
    label: str
    member: str  # its name in the zip


def in_class_folders(names, classes, where, key="data.source", some=False):
    """The image files among `names`, sorted; InputError where the class folders are not there once each.

    With `some`, a few of the classes will do, if no folder beside them bears a name that is none of `classes`: that
    one may hold what seems to be missing. `key` is the parameter that said where.
    """
    parents = {}
    for name in names:
        path = PurePosixPath(name)
        if len(path.parts) < 2 or not is_image(path):
            continue
        parents.setdefault(path.parent.parent, {}).setdefault(path.parent.name, []).append(name)
    complete = [parent for parent, folders in parents.items() if set(classes) <= set(folders)]
    if some and not complete:
        complete = [parent for parent, folders in parents.items() if set(classes) & set(folders)]
    if not complete:
        found = sorted({folder for folders in parents.values() for folder in folders})
        missing = sorted(set(classes) - set(found))
        raise InputError(
            f"{where}: expected {'some of the ' if some else ''}folders {', '.join(classes)} with images "
            f"({', '.join(sorted(SUFFIXES))}) side by side, found "
            f"{container.listed(found, 20) or 'no folder with images'}"
            + (f"; {', '.join(missing)} missing or empty" if missing else "")
            + f"; change data.classes or {key}"
        )
    if len(complete) > 1:
        places = container.listed(sorted(str(parent) for parent in complete), 20)
        raise InputError(f"{where}: expected the class folders in one place, found them in {places}; keep one")
    folders = parents[complete[0]]
    check_folders(folders, classes, where)
    images = [
        Image(f"{label}/{PurePosixPath(member).name}", label, member)
        for label in classes
        for member in folders.get(label, ())
    ]
    _check_names(images, where)
    return sorted(images)


def check_folders(folders, classes, where):
    """InputError where a class has no folder among `folders`, side by side, and one of them has no class."""
    missing = [label for label in classes if label not in folders]
    unknown = sorted(set(folders) - {*classes, MASKS})
    if missing and unknown:
        raise InputError(
            f"{where}: expected folders with the names of data.classes, found {container.listed(unknown)} and none of "
            f"{', '.join(missing)}; rename each to the class that it holds, or take it out"
        )


def _unknown(names, taken, classes):
    """Folders with images beside the class folders."""
    top = PurePosixPath(taken[0].member).parent.parent
    paths = [path for path in map(PurePosixPath, names) if len(path.parts) > 1 and is_image(path)]
    return sorted({path.parent.name for path in paths if path.parent.parent == top} - {*classes, MASKS})


def _labelled(labelled, where):
    images = [Image(f"{label}/{PurePosixPath(name).name}", label, name) for name, label in labelled.items()]
    _check_names(images, where)
    return sorted(images)


def is_image(path):
    """Whether a file is called as an image of the study is, and lies where one may."""
    inside = {MASKS, "__MACOSX"} & set(path.parts[:-2])
    return path.suffix.lower() in SUFFIXES and not inside and not path.name.startswith(".")


def _check_names(images, where):
    """InputError where an image's name can't stand in a table's line, or looks as another's does."""
    alike = defaultdict(list)
    for entry in images:
        name = entry.image
        alike[unicodedata.normalize("NFC", name)].append(name)
        if "\\" in name or {unicodedata.category(character) for character in name} & UNPRINTABLE:
            raise InputError(f"{where}: expected names that can be printed, without \\, found {name!r}; rename it")
        if len(PurePosixPath(name).name.encode()) > LONGEST:
            raise InputError(f"{where}: expected names up to {LONGEST} bytes, found {shown(name)}; rename it")
    for names in alike.values():
        if len(names) > 1:
            found = ", ".join(map(ascii, names))
            raise InputError(f"{where}: expected different names, found {found}, which look the same; rename one")


def left_out(names, images):
    """Files in the class folders of `images`, or below, that are none of these: not of SUFFIXES, or too deep."""
    taken = {image.member for image in images}
    folders = {f"{PurePosixPath(member).parent}/" for member in taken}
    files = (name for name in names if name not in taken and not name.endswith("/"))
    return sorted(name for name in files if any(name.startswith(folder) for folder in folders))


def images(path, classes, some=False):
    """The images of a zip, sorted by name: those in the class folders, wherever in the zip these lie.

    InputError where one of `classes` has none, or where all are without with `some`.
    """
    with container.opened(path) as archive:
        return in_class_folders(archive.names, classes, path, some=some)


def patients(path):
    """The content of a zip's table of known series, its header alone where the zip has none; bytes."""
    with container.opened(path) as archive:
        found = [name for name in archive.names if PurePosixPath(name).name == PATIENTS]
        if len(found) > 1:
            raise InputError(f"{path}: expected one {PATIENTS}, found {container.listed(found)}; keep one")
        return archive.read(found[0]) if found else b"image,series\n"


def write(path, members):
    """Write (name, bytes) members as a zip, uncompressed; the same members give the same bytes.

    The file appears under its name only when it is complete. InputError where the disk is full.
    """
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as file:
        for name, content in members:
            info = zipfile.ZipInfo(name, DATE)
            info.create_system = 3  # Unix, whatever system writes it
            info.external_attr = 0o644 << 16
            file.writestr(info, content)


def take(source, path):
    """Put a zip that lies elsewhere under `path` too: a hard link, or a copy where the file system has none."""
    with atomic_write(path) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)


@contextlib.contextmanager
def source_opened(source, key="data.source"):
    """The Container of the path that the parameter `key` gives; InputError where there is no folder or zip."""
    try:
        os.lstat(source)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{key}: expected {OTHERWISE[key]}, or the path of a folder or zip, found nothing at {shown(source)} "
            f"(seen from {Path.cwd()}); experiments in the queue and with --temp need an absolute path"
        ) from None
    except (OSError, ValueError):
        pass  # no path at all, or none that may be read: told below
    with container.opened(source) as opened:
        yield opened


def laid_out(opened, classes, source, labelled=None, key="data.source", some=False):
    """The members (name, bytes) of a Container of class folders, laid out under ROOT.

    Takes along lesion masks and the tables that Kaggle's archive and the phantom's have, where present. What else lies
    in the class folders is left out, and named. Where images are `labelled`, name -> label, folders say nothing.
    `key` and `some` as `in_class_folders` has them.
    """
    names, read = opened
    taken = in_class_folders(names, classes, source, key, some) if labelled is None else _labelled(labelled, source)
    others = left_out(names, taken) if labelled is None else []
    if some and (unknown := _unknown(names, taken, classes)):
        print(f"{source}: left out {container.listed(unknown)}: no class of data.classes", flush=True)
    if others:
        print(
            f"{source}: left out of the class folders {container.listed(others)}: taken are "
            f"{', '.join(sorted(SUFFIXES))} files that lie in them directly",
            flush=True,
        )
    beside = {}
    for name in names:
        path = PurePosixPath(name)
        if path.name in TABLES:
            target = path.name
        elif MASKS in path.parts[:-1] and "__MACOSX" not in path.parts and not path.name.startswith("."):
            target = "/".join(path.parts[path.parts.index(MASKS) :])
        else:
            continue
        if target in beside:
            raise InputError(f"{source}: expected one {shown(target)}, found {shown(beside[target])} and {shown(name)}")
        beside[target] = name
    for image in taken:
        yield f"{ROOT}/{image.image}", read(image.member)
    for target, name in beside.items():
        yield target, read(name)
