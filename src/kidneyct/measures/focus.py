"""How concentrated a map is, and how much of it lies inside the body.

A map is (h, w), 0 or above. One of zeros says the same of every pixel, so it counts as a uniform map.
"""

import numpy as np
from scipy import ndimage

BODY_LEVEL = 20  # of 255; air is 0, and fat too in the narrow windows of many pictures
BODY_OPENING = 0.01  # of the side: thinner structures, such as the table and the skin, are taken off
BODY_CLOSING = 0.1  # of the side: narrower gaps between what is left, such as dark fat between organs, are filled


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
