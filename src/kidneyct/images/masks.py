"""Lesion masks: which lie in an archive, beside the images, and what they show."""

import unicodedata
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np

from kidneyct.files import parallel
from kidneyct.images import archive, container
from kidneyct.images.decoding import decode
from kidneyct.pipeline.errors import InputError, shown


def read(path, images):
    """Lesion masks (n, H, W) bool of some images, "Cyst/Cyst- (1).jpg", or None where the archive has none.

    An image without a mask has no lesion; a mask is true where it is not black. InputError where masks differ in size,
    are no PNG files or can't be read.
    """
    with container.opened(path) as opened:
        names = _named(opened.names, path)
        of_image = [names.get(_stem(image)) for image in images]
        found = _each(opened, path, filter(None, of_image), lambda mask: np.asarray(mask.convert("RGB")).any(axis=-1))
    if not found:
        return None
    nothing = np.zeros_like(next(iter(found.values())))
    return np.stack([found.get(name, nothing) for name in of_image])


def check(path, images):
    """Read all masks of an archive of these images, as `archive.images` gives them; returns how many there are.

    Masks of no image are named. InputError where `read` would raise one, or where a mask's image can't be told.
    """
    of_stem = defaultdict(list)
    for entry in images:
        of_stem[_stem(entry.image)].append(entry.image)
    with container.opened(path) as opened:
        names = _named(opened.names, path)
        for stem, name in names.items():
            if len(of_stem[stem]) > 1:
                own = container.listed(of_stem[stem])
                raise InputError(f"{path}: expected one image for {shown(name)}, found {own}; rename one")
        if others := [name for stem, name in names.items() if not of_stem[stem]]:
            print(f"{path}: masks of no image, not used: {container.listed(others)}", flush=True)
        return len(_each(opened, path, names.values(), lambda mask: None))


def _stem(name):
    """What an image and its mask have in common, however accents and capitals are written."""
    return unicodedata.normalize("NFC", str(PurePosixPath(name).with_suffix(""))).casefold()


def _named(names, where):
    """Name of each mask's file, by that of its image less the suffix; InputError where one is no PNG file."""
    found = {}
    for name in names:
        path = PurePosixPath(name)
        if path.parts[0] != archive.MASKS or path.name.startswith(".") or len(path.parts) < 2:
            continue
        stem = _stem(path.relative_to(archive.MASKS))
        if path.suffix.lower() != ".png":
            raise InputError(
                f"{where}: expected PNG files under {archive.MASKS}/, found {shown(name)}; remove it, or save the mask "
                "as PNG again (JPEG blurs its edge)"
            )
        if stem in found:
            raise InputError(f"{where}: expected one mask of an image, found {found[stem]!a} and {name!a}; keep one")
        found[stem] = name
    return found


def _each(opened, where, names, made):
    """What is `made` of each mask's picture, by name; InputError where one can't be read, or is of another size."""

    def read(name):
        picture = decode(opened.read(name), f"{where}: {shown(name)}", formats=("PNG",))
        return picture.size[::-1], made(picture)

    results, examples = {}, {}  # by name, and the name of one mask of each size
    with parallel.in_order(read, names) as found:
        for name, result in found:
            size, results[name] = result()
            examples[size] = name
    if len(examples) > 1:
        sizes = ", ".join(f"{size} ({shown(examples[size])})" for size in sorted(examples)[:5])
        raise InputError(f"{where}: expected lesion masks of one size, found {sizes}")
    return results
