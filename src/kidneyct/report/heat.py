"""A map as colours, by itself or over its image."""

import numpy as np
from PIL import Image

from kidneyct.report import canvas

HEAT = "inferno"  # even in brightness, readable in grey and by colour-blind readers
OPACITY = 0.55  # of a coarse map over its image
CLIP = 99  # percentile of a fine map that is shown as its maximum, lest one pixel darken all others


def top(values, size):
    """The value that is shown brightest; `size` is the image's (height, width), which a fine map has too."""
    return np.percentile(values, CLIP) if values.shape == size else values.max()


def picture(image, values):
    """A map (h', w') as an RGB picture of its image (h, w, 3) uint8: fine by itself, coarse laid over the image."""
    size = image.shape[:2]
    own = colours(values, size)
    mixed = own if values.shape == size else OPACITY * own + (1 - OPACITY) * image
    return mixed.round().astype("uint8")


def colours(values, size):
    """A map (h', w') in colours, (h, w, 3) floats 0..255 at the image's `size`, (height, width).

    Scaled from 0 to its `top`, clipped above; a map of zeros stays zero.
    """
    maximum = top(values, size)
    heat = (np.clip(values / maximum, 0, 1) if maximum > 0 else np.zeros_like(values)).astype("float32")
    if values.shape != size:
        heat = np.asarray(Image.fromarray(heat).resize(size[::-1], Image.Resampling.BILINEAR))
    return canvas.matplotlib.colormaps[HEAT](heat)[..., :3] * 255
