"""Grey values matched to one histogram, so that neither contrast phase nor window tells pictures apart by them."""

import numpy as np
from PIL import Image
from scipy import ndimage

DARK = 32  # the background's grey is the commonest of so many; air is black, or nearly so where contrast was equalised
ABOVE = 16  # greys by which tissue is brighter than the background; JPEG leaves ripples beside an edge
GAP, THIN = 0.03, 0.05  # of the picture's shorter side: gaps as wide are closed, pieces as thin are taken off
THICK = 0.2  # share of a hole's rim that is thicker than GAP, at least; a couch is a hollow thing with thin walls


def seen(picture, grey):
    """A picture as `preprocess.grey` asks for it: "file", as it is, or "matched"."""
    return Image.fromarray(matched(np.asarray(picture.convert("L")))) if grey == "matched" else picture


def matched(pixels):
    """Greys (h, w) uint8 that are uniform over 1..255 inside the body, as far as ties allow, and 0 outside.

    Each grey becomes its mean rank among the body's pixels, so that equal ones stay equal and order is kept.
    """
    inside = body(pixels)
    counts = np.bincount(pixels[inside], minlength=256)
    ranks = 2 * counts.cumsum() - counts  # twice the mean rank, counted from one half
    greys = 1 + 255 * ranks // max(2 * counts.sum(), 1)
    return np.where(inside, greys[pixels], 0).astype(np.uint8)


def body(pixels):
    """Where the body is in greys (h, w) uint8, (h, w) bool: the largest bright piece, holes filled, without the couch.

    Unlike `focus.body` it keeps the subcutaneous fat, and its thresholds follow the picture's own background. Small
    gaps in the skin are closed. A coronal slice cuts the body off above and below, and lungs are open there: the
    first and the last row of what is bright close them.
    """
    gap, thin = (1 + 2 * round(share * min(pixels.shape) / 2) for share in (GAP, THIN))
    background = np.bincount(pixels.ravel(), minlength=256)[:DARK].argmax()
    bright = ndimage.grey_closing((pixels > background + ABOVE).astype(np.uint8), gap)
    rows, trunk = np.flatnonzero(bright.any(axis=1)), _trunk(bright, gap, thin)
    for row in {*rows[:1], *rows[-1:]}:
        if trunk[row].any():
            columns = np.flatnonzero(bright[row])
            bright[row, columns[0] : columns[-1]] = 1
    return _trunk(bright, gap, thin)


def _trunk(bright, gap, thin):
    """The largest piece, (h, w) bool, its holes filled, and what is thinner than `thin` pixels taken off."""
    spaces = ndimage.label(np.pad(bright == 0, 1, constant_values=True))[0]  # 0 where it is bright, 1 outside
    spaces = spaces[1:-1, 1:-1]
    rim, thick_rim = (
        np.bincount(spaces[ndimage.grey_dilation(tissue, 3) > 0], minlength=max(2, spaces.max() + 1))
        for tissue in (bright, ndimage.grey_opening(bright, gap))
    )
    filled = thick_rim > THICK * rim
    filled[0], filled[1] = True, False  # what is bright, and what lies around it
    pieces = ndimage.label(ndimage.grey_opening(filled[spaces].astype(np.uint8), thin))[0]
    sizes = np.bincount(pieces.ravel(), minlength=2)
    return pieces == 1 + sizes[1:].argmax()
