"""Windows: 16-bit pictures, such as CT slices in Hounsfield units, as 8-bit greys.

A PNG file of 16 bits holds Hounsfield units where text chunks that `encode` puts in say so; else, who knows.
"""

import io
import math
from functools import lru_cache

import numpy as np
from PIL import Image, PngImagePlugin

from kidneyct.pipeline.errors import InputError, shown

FILE = "file"  # preprocess.window: each file's own window
SOFT_TISSUE = (40, 400)  # centre and width in HU, usual for the abdomen; for files without a window of their own
OFFSET = 32768  # added to Hounsfield units, so that 16 bits without a sign hold them
QUICK = 3  # of zlib's levels; the usual 6 takes four times as long for 2 % less
MARK, CENTRE, WIDTH = "HounsfieldOffset", "WindowCentre", "WindowWidth"  # keywords of the text chunks
MODE = "I;16"  # what Pillow calls a grey PNG file of 16 bits
NARROWEST = 1  # PS3.3 C.11.2.1.2.1: "Window Width shall always be greater than or equal to 1"


def linear(values, centre, width):
    """Values as greys, uint8 of the same shape: DICOM's linear function, PS3.3 C.11.2.1.2.1, from 0 to 255.

    Greys are rounded to the nearest whole number, halves up. `width` is 1 or more.
    """
    values = np.asarray(values, "float64")
    middle, half = centre - 0.5, (width - 1) / 2
    slope = 255 / (width - 1) if width > 1 else 0.0  # at width 1 there is black and white alone
    greys = np.floor((values - middle) * slope + 255 / 2 + 0.5)
    greys[values <= middle - half] = 0
    greys[values > middle + half] = 255
    return greys.clip(0, 255).astype(np.uint8)


def valid(centre, width):
    """Whether two numbers are a window."""
    return math.isfinite(centre) and math.isfinite(width) and width >= NARROWEST


@lru_cache(maxsize=32)
def _table(centre, width, offset):
    """The grey of each 16-bit value, (65536,) uint8."""
    return linear(np.arange(2**16) - offset, centre, width)


def encode(hounsfield, window):
    """A PNG file, as bytes, of a slice in Hounsfield units, (H, W) int from -32768 to 32767, that says so.

    `window` is its own (centre, width), or None. The same slice gives the same bytes.
    """
    mark = PngImagePlugin.PngInfo()
    mark.add_text(MARK, str(OFFSET))
    if window:
        for keyword, value in zip((CENTRE, WIDTH), window, strict=True):
            mark.add_text(keyword, repr(float(value)))
    buffer = io.BytesIO()
    Image.fromarray((hounsfield.astype("int32") + OFFSET).astype(np.uint16)).save(
        buffer, "PNG", pnginfo=mark, compress_level=QUICK
    )
    return buffer.getvalue()


def own(picture, name):
    """Whether an open PNG picture holds Hounsfield units, and its own window (centre, width) or None; or InputError."""
    offset, *said = (picture.info.get(keyword) for keyword in (MARK, CENTRE, WIDTH))
    if offset is None:
        return False, None
    try:
        its = None if said == [None, None] else tuple(map(float, said))
        if offset == str(OFFSET) and (its is None or valid(*its)):
            return True, its
    except (TypeError, ValueError):
        pass
    raise InputError(f"{name}: expected {MARK} {OFFSET} and a window in its text, found {shown([offset, *said])}")


def grey(picture, name, window):
    """An open grey picture of 16 bits as one of 8, mode L, by `window`: FILE, or [centre, width].

    A width and centre are in Hounsfield units where the file holds such, else in its stored values. InputError where
    it has no window, as only Hounsfield units have a usual one.
    """
    hounsfield, its = own(picture, name)
    if window == FILE and not hounsfield:
        raise InputError(
            f"{name}: expected 8 bits a channel, found mode {MODE}, which does not say what its values mean; set "
            "preprocess.window to [centre, width] of them, or convert it first"
        )
    centre, width = (its or SOFT_TISSUE) if window == FILE else window
    values = np.asarray(picture).astype(np.uint16)
    return Image.fromarray(_table(float(centre), float(width), OFFSET if hounsfield else 0)[values])
