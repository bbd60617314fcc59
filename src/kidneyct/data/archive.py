"""One layout for every source of images: a zip laid out as Kaggle's."""

import os
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import PIL.Image

from kidneyct.errors import InputError

ROOT = "CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone/CT-KIDNEY-DATASET-Normal-Cyst-Tumor-Stone"
MASKS = "masks"
TABLES = ("kidneyData.csv", "patients.csv")
SUFFIXES = {".jpg", ".jpeg", ".png"}
DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say


class Image(NamedTuple):
    image: str  # "Cyst/Cyst- (1).jpg", its name everywhere else
    label: str
    member: str  # its name in the zip


def _open(path):
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{path}: expected a zip of class folders, found no such file") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            f"{path}: expected a zip of class folders, found none or a truncated one ({error}); fetch it again"
        ) from None


def _find(names, classes, where):
    """The image files among `names`, sorted; InputError where the class folders are not there once each."""
    parents = {}
    for name in names:
        path = PurePosixPath(name)
        parts = path.parts
        if path.suffix.lower() not in SUFFIXES or len(parts) < 2 or {MASKS, "__MACOSX"} & set(parts[:-2]):
            continue
        if path.name.startswith("."):
            continue
        parents.setdefault(path.parent.parent, {}).setdefault(path.parent.name, []).append(name)
    complete = [parent for parent, folders in parents.items() if set(classes) <= set(folders)]
    if not complete:
        found = sorted({folder for folders in parents.values() for folder in folders})
        missing = sorted(set(classes) - set(found))
        raise InputError(
            f"{where}: expected folders {', '.join(classes)} with images ({', '.join(sorted(SUFFIXES))}) side by "
            f"side, found {', '.join(found) or 'no folder with images'}"
            + (f"; {', '.join(missing)} missing or empty" if missing else "")
            + "; change data.classes or data.source"
        )
    if len(complete) > 1:
        places = ", ".join(sorted(str(parent) for parent in complete))
        raise InputError(f"{where}: expected the class folders in one place, found them in {places}; keep one")
    folders = parents[complete[0]]
    images = [
        Image(f"{label}/{PurePosixPath(member).name}", label, member) for label in classes for member in folders[label]
    ]
    return sorted(images)


def left_out(names, images):
    """Files in the class folders of `images`, or below, that are none of these: not of SUFFIXES, or too deep."""
    taken = {image.member for image in images}
    folders = {f"{PurePosixPath(member).parent}/" for member in taken}
    files = (name for name in names if name not in taken and not name.endswith("/"))
    return sorted(name for name in files if any(name.startswith(folder) for folder in folders))


def images(path, classes):
    """The images of a zip, sorted by name: those in the class folders, wherever in the zip these lie."""
    with _open(path) as container:
        return _find(container.namelist(), classes, path)


def masks(path, images):
    """Lesion masks (n, H, W) bool of some images, "Cyst/Cyst- (1).jpg", or None where the archive has none.

    An image without a mask has no lesion. InputError where masks differ in size.
    """
    with _open(path) as container:
        names = {str(PurePosixPath(name).with_suffix("")): name for name in container.namelist()}
        of_image = [names.get(f"{MASKS}/{PurePosixPath(image).with_suffix('')}") for image in images]
        found = {
            name: np.asarray(PIL.Image.open(container.open(name), formats=("JPEG", "PNG")).convert("L")) > 0
            for name in of_image
            if name
        }
    sizes = {mask.shape for mask in found.values()}
    if len(sizes) > 1:
        raise InputError(f"{path}: expected lesion masks of one size, found {', '.join(map(str, sorted(sizes)))}")
    if not found:
        return None
    (size,) = sizes
    return np.stack([found[name] if name else np.zeros(size, bool) for name in of_image])


def write(path, members):
    """Write (name, bytes) members as a zip, uncompressed; the same members give the same bytes.

    The file appears under its name only when it is complete.
    """
    partial = Path(f"{path}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as container:
        for name, content in members:
            info = zipfile.ZipInfo(name, DATE)
            info.create_system = 3  # Unix, whatever system writes it
            info.external_attr = 0o644 << 16
            container.writestr(info, content)
    os.replace(partial, path)


def take(source, path):
    """Put a zip that lies elsewhere under `path` too: a hard link, or a copy where the file system has none."""
    partial = Path(f"{path}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.unlink(missing_ok=True)
    Path(path).unlink(missing_ok=True)  # renaming onto another link to the same file would do nothing
    try:
        os.link(source, partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, path)


def from_source(source, classes):
    """The members (name, bytes) of a folder or zip of class folders, laid out under ROOT.

    Takes along lesion masks and the tables that Kaggle's archive and the phantom's have, where present. What else lies
    in the class folders is left out, and named.
    """
    source = Path(source)
    if source.is_dir():
        names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
        yield from _members(names, lambda name: (source / name).read_bytes(), classes, source)
    elif source.exists():
        with _open(source) as container:
            yield from _members(sorted(container.namelist()), container.read, classes, source)
    else:
        raise InputError(
            f"data.source: expected kaggle, phantom, or the path of a folder or zip, found nothing at {source} "
            f"(seen from {Path.cwd()}); experiments in the queue and with --temp need an absolute path"
        )


def _members(names, read, classes, source):
    found = _find(names, classes, source)
    others = left_out(names, found)
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        print(
            f"{source}: left out of the class folders {', '.join(others[:5])}{more}: taken are "
            f"{', '.join(sorted(SUFFIXES))} files that lie in them directly",
            flush=True,
        )
    try:
        for image in found:
            yield f"{ROOT}/{image.image}", read(image.member)
        for name in names:
            path = PurePosixPath(name)
            if path.name in TABLES:
                yield path.name, read(name)
            elif MASKS in path.parts and path.suffix:
                yield "/".join(path.parts[path.parts.index(MASKS) :]), read(name)
    except zipfile.BadZipFile as error:
        raise InputError(f"{source}: damaged ({error}); fetch it again") from None
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or compressed in an unusual way
        raise InputError(f"{source}: can't be unpacked ({error}); pack it anew, without a password") from None
