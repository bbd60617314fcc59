"""Lesion masks: which lie in an archive, beside the images, and what they show."""

import unicodedata
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np

from kidneyct.files import parallel
from kidneyct.images import archive, container
from kidneyct.images.decoding import decode_lean
from kidneyct.pipeline.errors import InputError, shown


def read(path, images):
    """Lesion masks (n, H, W) bool of some images, "Cyst/Cyst- (1).jpg", or None where the archive has none.

    An image without a mask has no lesion; a mask is true where it is not black. InputError where masks differ in size,
    are no PNG files or can't be read.
    """
    with container.opened(path) as opened:
        names = _named(opened.names, path)
        of_image = [names.get(_stem(image)) for image in images]
        found = {name: _mask(opened, path, name) for name in of_image if name}
    _one_size({name: mask.shape for name, mask in found.items()}, path)
    if not found:
        return None
    size = next(iter(found.values())).shape
    return np.stack([found[name] if name else np.zeros(size, bool) for name in of_image])


def check(path, images):
    """Read all masks of an archive of these images, as `archive.images` gives them; returns how many there are.

    InputError where `read` would raise one, for whatever images, or where a mask's image can't be told. Masks of no
    image are named.
    """
    with container.opened(path) as opened:
        names = _fitting(opened.names, images, path)
        with parallel.in_order(lambda name: _picture(opened, path, name).size[::-1], names) as found:
            _one_size({name: result() for name, result in found}, path)
    return len(names)


def _fitting(members, images, path):
    """The masks, unread, among the names of an archive's members."""
    names = _named(members, path)
    of_image, nearly = defaultdict(list), {}
    for entry in images:
        of_image[_stem(entry.image)].append(entry.image)
        nearly[_folded(_stem(entry.image))] = entry.image
    others = []
    for stem, name in names.items():
        if len(of_image[stem]) > 1:
            raise InputError(f"{path}: expected one image for {shown(name)}, found {container.listed(of_image[stem])}")
        if not of_image[stem] and _folded(stem) in nearly:
            raise InputError(
                f"{path}: expected {name!a} to be called as its image is, {nearly[_folded(stem)]!a}; rename one"
            )
        if not of_image[stem]:
            others.append(name)
    if others:
        print(f"{path}: masks of no image, not used: {container.listed(others)}", flush=True)
    return list(names.values())


def _stem(name):
    return str(PurePosixPath(name).with_suffix(""))


def _folded(name):
    return unicodedata.normalize("NFC", name).casefold()


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
                "as PNG anew (JPEG blurs its edge)"
            )
        if stem in found:
            raise InputError(f"{where}: expected one mask for {shown(stem)}, found {found[stem]} and {name}; keep one")
        found[stem] = name
    return found


def _mask(opened, where, name):
    return np.asarray(_picture(opened, where, name).convert("RGB")).any(axis=-1)


def _picture(opened, where, name):
    return decode_lean(opened.read(name), f"{where}: {shown(name)}", formats=("PNG",))


def _one_size(sizes, where):
    """InputError where the sizes of masks, name -> (H, W), differ."""
    examples = {size: name for name, size in sizes.items()}
    if len(examples) > 1:
        found = ", ".join(f"{size} ({shown(examples[size])})" for size in sorted(examples)[:5])
        raise InputError(f"{where}: expected lesion masks of one size, found {found}")
