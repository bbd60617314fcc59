"""Decoding: every readable image of the archive becomes a row of two arrays and a line of the index."""

import hashlib
import io
import warnings

import numpy as np
import pandas as pd
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from kidneyct.files import arrays, index, parallel, tables
from kidneyct.images import container
from kidneyct.images import grey as greys
from kidneyct.images import window as windows
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError, shown

THUMBNAIL_SIZE = 25
FORMATS = ("JPEG", "PNG")  # no others, whatever a file is called: some, such as EPS, are programs that would be run
EIGHT_BIT_MODES = {"1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LA"}
MOST_SCANNED = 20 * Image.MAX_IMAGE_PIXELS  # pixels times scans of a JPEG; some seconds
BIT_DEPTH = 24  # the byte of a PNG file that says how many bits a channel has

warnings.filterwarnings("ignore", module="PIL")  # of large pictures, of palettes; errors are told in a line


def decode(content, name, formats=FORMATS, window=None):
    """An image file's bytes as an upright picture, grey (mode L) where its channels are equal, else RGB.

    Upright is as its EXIF says. A grey PNG of 16 bits is seen through `window`, as `preprocess.window`. InputError,
    naming the image, if it can't be read, is animated, has otherwise more than 8 bits a channel, or is transparent
    somewhere: what is seen there depends on what lies behind. Of a JPEG of several pictures the main one is taken.
    """
    try:
        picture = Image.open(io.BytesIO(content), formats=formats)
        depth = content[BIT_DEPTH] if picture.format == "PNG" else 8
        deep = window is not None and depth == 16 and picture.mode == windows.MODE
        if not deep and (picture.mode not in EIGHT_BIT_MODES or depth > 8):
            of_bits = f" of {depth} bits" if picture.mode in EIGHT_BIT_MODES else ""
            raise InputError(f"{name}: expected 8 bits a channel, found mode {picture.mode}{of_bits}; convert it first")
        scans = content.count(b"\xff\xda") if picture.format == "JPEG" else 1  # of a progressive one; usual are 10
        if scans * picture.width * picture.height > MOST_SCANNED:
            raise InputError(f"{name}: found {scans} scans, too many for a JPEG of its size; save it again")
        if picture.format == "PNG" and picture.is_animated:
            raise InputError(f"{name}: expected one picture, found {picture.n_frames}, an animation; save one of them")
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            if deep or picture.getchannel("A").getextrema()[0] < 255:
                raise InputError(f"{name}: expected an opaque picture, found transparent pixels; save it without them")
        if deep:
            picture = windows.grey(picture, name, window)
        return _lean(picture)
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(f"{name}: larger than {2 * Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
    except UnidentifiedImageError:
        expected = "" if formats == FORMATS else f" as {' or '.join(formats)}"
        raise InputError(f"{name}: not a readable image{expected} (no known format); replace or remove it") from None
    except Exception as error:  # a damaged file can make a decoder fail in any way
        raise InputError(f"{name}: not a readable image ({shown(error)}); replace or remove it") from None


def _lean(picture):
    """The same picture without what it says three times: CT is grey, and all that follows then costs a third."""
    if picture.mode in ("1", "L"):
        return picture.convert("L")
    colours = picture if picture.mode == "RGB" else picture.convert("RGB")
    red, green, blue = colours.split()
    equal = all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue))
    return red if equal else colours


def tensor(picture, image_size):
    """A picture squeezed to (image_size, image_size, 3) uint8, bilinear over the whole source area."""
    return np.asarray(picture.resize((image_size, image_size), Image.Resampling.BILINEAR).convert("RGB"))


def thumbnail(picture):
    """A picture as (25, 25) uint8 grey, each value the mean of its source area."""
    return np.asarray(picture.convert("L").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX))


def preprocess(archive, images, image_size, allowed, folder, window=windows.FILE, grey="file"):
    """Decode an archive's images in one pass, in the given order, straight into arrays on disk.

    `images` are the (image, label, member) entries of `archive.images`. Writes into `folder` images.npy (n, size, size,
    3) and thumbnails.npy (n, 25, 25), both uint8; index.csv: image, label, width, height (pixels, upright), sha256 (of
    the file); and rejected.csv: image, label and reason of what can't be read and has no row in the others. InputError
    where these are more than `allowed`, or all of a class. `window` is as in `decode`, `grey` as in
    `grey.seen`. Memory does not grow with the number of images.
    """

    def row(entry):
        content = opened.read(entry.member)
        picture = greys.seen(decode(content, entry.image, window=window), grey)
        digest = hashlib.sha256(content).hexdigest()
        return tensor(picture, image_size), thumbnail(picture), (*picture.size, digest)

    lines, rejected = [], []
    with (
        container.opened(archive) as opened,
        arrays.written(folder / "images.npy", np.uint8, (image_size, image_size, 3), len(images)) as pictures,
        arrays.written(folder / "thumbnails.npy", np.uint8, (THUMBNAIL_SIZE,) * 2, len(images)) as thumbnails,
    ):
        with parallel.in_order(row, images) as found:  # Pillow leaves the other threads running
            for entry, result in progress.bar(found, what="preprocess", unit="image", total=len(images)):
                try:
                    tensors, small, about = result()
                except InputError as error:
                    reason = str(error).removeprefix(f"{archive}: ").removeprefix(f"{shown(entry.member)}: ")
                    rejected.append((entry.image, entry.label, reason.removeprefix(f"{entry.image}: ")))
                    continue
                pictures.append(tensors[None])
                thumbnails.append(small[None])
                lines.append((entry.image, entry.label, *about))
        # Both tables are written while the arrays are no more than drafts: what fails leaves rejected.csv alone.
        tables.write(pd.DataFrame(rejected, columns=index.COLUMNS["rejected.csv"]), folder / "rejected.csv")
        _check_rejected(archive, images, rejected, allowed, folder)
        tables.write(pd.DataFrame(lines, columns=index.COLUMNS["index.csv"]), folder / "index.csv")
    return len(lines), len(rejected)


def _check_rejected(archive, images, rejected, allowed, folder):
    """InputError where images that can't be read are more than `allowed`, or all of a class."""
    reasons = "; ".join(f"{image}: {reason}" for image, _, reason in rejected[:5])
    found = f"{archive}: {len(rejected)} of {len(images)} images can't be read: {reasons}"
    if len(rejected) > allowed:
        raise InputError(
            f"{found}; all are listed in {folder / 'rejected.csv'}; mend them, or leave them out with "
            f"preprocess.allow_corrupt: {len(rejected)} (found {allowed})"
        )
    names = {image for image, *_ in rejected}
    lost = sorted({entry.label for entry in images} - {entry.label for entry in images if entry.image not in names})
    if lost:
        raise InputError(f"{found}; none is left of class {', '.join(lost)}; mend them")
