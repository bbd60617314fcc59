"""Does a map fall on the lesion? For images whose lesion is known, as in phantom data."""

import numpy as np
from PIL import Image

from kidneyct.measures import focus

# Pixels beside the lesion that still count as a hit: Zhang et al. 2018 allow 15 on photographs of about 500.
TOLERANCE = 15 / 500  # of the picture's side


def resize(mask, size):
    """A lesion mask (H, W) bool at `size` (h, w): pixels at least half covered, and the most covered ones.

    So a lesion smaller than a pixel does not vanish. An empty mask stays empty.
    """
    if mask.shape == tuple(size):
        return mask.astype(bool)
    picture = Image.fromarray(mask.astype("float32"))
    cover = np.asarray(picture.resize(size[::-1], Image.Resampling.BOX))
    return (cover > 0) & (cover >= min(0.5, cover.max()))


def enlarged(mask):
    """The mask and what lies within the tolerance of it, (h, w) bool."""
    return focus.grown(mask, TOLERANCE * max(mask.shape))


def pointing(relevance, mask):
    """Pointing game: 1 where the map's maximum lies on the lesion or within the tolerance, else 0.

    Where several pixels share the maximum, the share of them that hit. The chance is the enlarged mask's share
    of the picture.
    """
    return float(enlarged(mask)[relevance == relevance.max()].mean())
