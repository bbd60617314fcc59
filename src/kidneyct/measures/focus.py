"""How concentrated a map is, how much of it lies inside the body, and does it fall on the lesion?

A map is (h, w), 0 or above. One of zeros says the same of every pixel, so it counts as a uniform map.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

BODY_LEVEL = 20  # of 255; air is 0, and fat too in the narrow windows of many pictures
BODY_OPENING = 0.01  # of the side: thinner structures, such as the table and the skin, are taken off
BODY_CLOSING = 0.1  # of the side: narrower gaps between what is left, such as dark fat between organs, are filled
# Pixels beside the lesion that still count as a hit: Zhang et al. 2018 allow 15 on photographs of about 500.
TOLERANCE = 15 / 500  # of the picture's side


def shares(relevance):
    """Each pixel's share of the map's sum, (h, w) summing to 1."""
    total = relevance.sum(dtype="float64")
    return relevance / total if total > 0 else np.full(relevance.shape, 1 / relevance.size)


def gini(relevance):
    """Gini index: 0 for a uniform map, 1 - 1/N where one of N pixels has it all (Hurley & Rickard 2009, table I)."""
    values = np.sort(shares(relevance), axis=None)
    count = len(values)
    return float(1 - 2 * np.sum(values * (count - np.arange(1, count + 1) + 0.5)) / count)


def entropy(relevance):
    """Shannon entropy as a share of its largest value, log N: 1 for a uniform map, 0 for a single pixel."""
    values = shares(relevance)
    values = values[values > 0]
    return float(max(0.0, -np.sum(values * np.log(values)) / np.log(relevance.size)))


def grown(mask, radius):
    """The mask and all within `radius` pixels of it."""
    return ndimage.distance_transform_edt(~mask) <= radius if mask.any() else mask


def body(image):
    """Where the body is in a slice (h, w, 3) or (h, w) of 0..255: (h, w) bool.

    Bright parts, thin ones taken off, gaps closed; of these the largest, its holes filled. The subcutaneous fat
    is outside where the window shows it black. The whole picture where nothing is bright, as in a black one.
    """
    grey = image if image.ndim == 2 else image.mean(axis=-1)
    thin, gap = BODY_OPENING * max(grey.shape), BODY_CLOSING * max(grey.shape)
    opened = grown(~grown(grey <= BODY_LEVEL, thin), thin)
    margin = int(gap) + 1  # so that the picture's edge neither adds to the body nor takes from it
    closed = ~grown(~grown(np.pad(opened, margin), gap), gap)[margin:-margin, margin:-margin]
    parts, count = ndimage.label(closed)
    if not count:
        return np.ones(grey.shape, bool)
    largest = 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return ndimage.binary_fill_holes(parts == largest)


def energy(relevance, mask):
    """Share of the map's sum that lies inside a mask (h, w) bool."""
    return float(shares(relevance)[mask].sum())


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
    return grown(mask, TOLERANCE * max(mask.shape))


def pointing(relevance, mask):
    """Pointing game: 1 where the map's maximum lies on the lesion or within the tolerance, else 0.

    Where several pixels share the maximum, the share of them that hit. The chance is the enlarged mask's share
    of the picture.
    """
    return float(enlarged(mask)[relevance == relevance.max()].mean())
