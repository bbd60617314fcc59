"""Decoding: every image of the archive becomes a row of two arrays and a line of the index."""

import hashlib
import io
import zipfile

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from kidneyct.errors import InputError

THUMBNAIL_SIZE = 25
FORMATS = ("JPEG", "PNG")  # no others, whatever a file is called: some, such as EPS, are programs that would be run
EIGHT_BIT_MODES = {"1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA"}


def decode(content, name):
    """An image file's bytes as an RGB picture; InputError, naming the image, where that can't be done."""
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        if picture.mode in EIGHT_BIT_MODES:
            return picture.convert("RGB")
    except Image.DecompressionBombError:
        raise InputError(f"{name}: larger than {2 * Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable image (no known format); replace or remove it") from None
    except Exception as error:  # a damaged file can make a decoder fail in any way
        raise InputError(f"{name}: not a readable image ({error}); replace or remove it") from None
    raise InputError(f"{name}: expected 8 bits a channel, found mode {picture.mode}; convert it first")


def tensor(picture, image_size):
    """A picture squeezed to (image_size, image_size, 3) uint8, bilinear over the whole source area."""
    return np.asarray(picture.resize((image_size, image_size), Image.Resampling.BILINEAR))


def thumbnail(picture):
    """A picture as (25, 25) uint8 grey, each value the mean of its source area."""
    return np.asarray(picture.convert("L").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX))


def preprocess(archive, images, image_size, images_path, thumbnails_path):
    """Decode an archive's images in one pass, in the given order, straight into arrays on disk.

    `images` are the (image, label, member) entries of `archive.images`. Writes (n, size, size, 3) and
    (n, 25, 25) uint8 arrays and returns the index: image, label, width, height (pixels), sha256 (of the
    file). Unreadable images are all named in one InputError; memory does not grow with their number.
    """
    count = len(images)
    tensors = np.lib.format.open_memmap(images_path, "w+", np.uint8, (count, image_size, image_size, 3))
    thumbnails = np.lib.format.open_memmap(thumbnails_path, "w+", np.uint8, (count, THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    index, unreadable = [], []
    with zipfile.ZipFile(archive) as container:
        for row, entry in enumerate(tqdm(images, desc="preprocess", unit="image", disable=None)):
            try:
                content = container.read(entry.member)
                picture = decode(content, entry.image)
            except zipfile.BadZipFile:
                unreadable.append(f"{entry.image}: damaged inside the archive")
                continue
            except InputError as error:
                unreadable.append(str(error))
                continue
            tensors[row] = tensor(picture, image_size)
            thumbnails[row] = thumbnail(picture)
            digest = hashlib.sha256(content).hexdigest()
            index.append((entry.image, entry.label, *picture.size, digest))
    if unreadable:
        shown = "; ".join(unreadable[:5])
        more = f"; and {len(unreadable) - 5} more" if len(unreadable) > 5 else ""
        raise InputError(f"{archive}: {len(unreadable)} of {count} images can't be read: {shown}{more}")
    return pd.DataFrame(index, columns=["image", "label", "width", "height", "sha256"])
