"""One layout for every source of images: a zip laid out as Kaggle's."""

import os
import shutil
import unicodedata
import zipfile
from collections import Counter, defaultdict
from pathlib import PurePosixPath
from typing import NamedTuple

from kidneyct.files.atomic import atomic_write
from kidneyct.images import container
from kidneyct.pipeline.errors import InputError, shown

ROOT = "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone/CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone"
MASKS = "masks"
PATIENTS = "patients.csv"  # says which patient or scan each image is of: columns image and series
TABLES = ("kidneyData.csv", PATIENTS)
SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png"}
KINDS = ", ".join(sorted(SUFFIXES))
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say
UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's categories: line breaks, turns of direction, no text at all


class Image(NamedTuple):
    image: str  # "Cyst/Cyst- (1).jpg", its name everywhere else
    label: str
    member: str  # its name in the zip


def class_folders(names, classes, where, key="data.source", some=False, dicom=False, others=()):
    """The files in class folders, name -> label; where these folders lie, as a path's parts; and the folders beside.

    InputError where the folders of `classes` are not there once each, side by side. They hold images directly, or
    `dicom` files anywhere below. With `some`, a few of the classes will do, but then each folder beside them
    must be called as a class: another may hold what is missing. `key` is the parameter that said where; `others` are
    the files of other kinds.
    """
    wanted, places = set(classes), defaultdict(lambda: defaultdict(list))  # place -> folder in it -> its files
    same = {unicodedata.normalize("NFC", label): label for label in classes}  # an accent is one character or two
    for name in names:
        folders = [same.get(unicodedata.normalize("NFC", part), part) for part in PurePosixPath(name).parts[:-1]]
        for depth in range(0 if dicom else max(0, len(folders) - 1), len(folders)):
            places[tuple(folders[:depth])][folders[depth]].append(name)
    complete = [place for place, folders in places.items() if wanted <= folders.keys()]
    if some and not complete:
        complete = [place for place, folders in places.items() if wanted & folders.keys()]
    if len(complete) != 1:
        folders = sorted(set().union(*places.values()))
        missing = ", ".join(sorted(wanted - set(folders)))
        found = f"{container.listed(folders, 20) or 'no such folder'}; {missing or 'none'} missing or empty"
        if suffixes := Counter(PurePosixPath(name.lower()).suffix or "no ending" for name in others):
            lying = ", ".join(f"{count} of {shown(suffix)}" for suffix, count in suffixes.most_common(5))
            found += f"; other files lie there, {lying}: unpack archives, and save pictures as PNG or DICOM"
        kind = "DICOM files" if dicom else f"images ({KINDS}) directly in them,"
        advice = f"change data.classes or {key}{'' if some else ', or give a table as data.labels'}"
        if complete:
            found = f"them in {container.listed(sorted(map('/'.join, complete)), 20)}"
            advice = f"give the path of one as {key}, or merge them"
        raise InputError(
            f"{where}: expected {'some of the ' if some else ''}folders {', '.join(classes)} with {kind} side by side "
            f"in one place, found {found}; {advice}"
        )
    (place,) = complete
    beside = sorted(places[place].keys() - wanted - {MASKS})
    if beside and (missing := sorted(wanted - places[place].keys())):
        raise InputError(
            f"{where}: expected folders with the names of data.classes, found {container.listed(beside)} and none of "
            f"{', '.join(missing)}; rename each to the class that it holds, or take it out"
        )
    return {name: label for label in classes for name in places[place].get(label, ())}, place, beside


def in_class_folders(names, classes, where, key="data.source", some=False):
    """The images among some files, sorted, as `class_folders` has them; folders beside the class folders are named."""
    pictures = [name for name in names if is_image(PurePosixPath(name))]
    others = [name for name in names if not is_image(PurePosixPath(name))]
    labels, _, beside = class_folders(pictures, classes, where, key, some, others=others)
    if beside:
        print(f"{where}: left out {container.listed(beside)}: no class of data.classes", flush=True)
    return labelled(labels, where)


def labelled(labels, where):
    """The images of some files, name -> label, sorted.

    InputError where an image's name can't stand in a table's line, or looks as another's does.
    """
    images = sorted(Image(f"{label}/{PurePosixPath(name).name}", label, name) for name, label in labels.items())
    alike = defaultdict(list)
    for name, _, member in images:
        alike[unicodedata.normalize("NFC", name)].append(member)
        if "\\" in name or {unicodedata.category(character) for character in name} & UNPRINTABLE:
            raise InputError(f"{where}: expected names that can be printed, without \\, found {name!r}; rename it")
    for names in alike.values():
        if len(names) > 1:
            found = ", ".join(map(ascii, names))
            raise InputError(f"{where}: expected different names, found {found}, which look the same; rename one")
    return images


def is_image(path):
    """Whether a file is called as an image of the study is, and lies where one may."""
    inside = {MASKS, "__MACOSX"} & set(path.parts[:-1])
    return path.suffix.lower() in SUFFIXES and not inside and not path.name.startswith(".")


def images(path, classes, some=False):
    """The images of a zip, sorted by name: those in the class folders, wherever in the zip these lie.

    InputError where one of `classes` has none; with `some`, where all are without in a zip that holds anything.
    """
    with container.opened(path) as archive:
        return in_class_folders(archive.names, classes, path, some=some) if archive.names or not some else []


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


def link_or_copy(source, path):
    """Put a zip that lies elsewhere under `path` too: a hard link, or a copy where the file system has none."""
    with atomic_write(path) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)


def repack(opened, taken, source):
    """The members (name, bytes) of an archive of some images of a Container, laid out under ROOT.

    Takes along lesion masks and the tables that Kaggle's archive and the phantom's have, where present.
    """
    beside = {}
    for name in opened.names:
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
        yield f"{ROOT}/{image.image}", opened.read(image.member)
    for target, name in beside.items():
        yield target, opened.read(name)
