"""Null controls: what a split yields to models that can know nothing of the disease."""

import numpy as np

from kidneyct.series.inference import BLOCK


def permuted(codes, series, generator):
    """The codes (n,) after the series have swapped their labels at random.

    All images of a series (n,) get one label, its commonest if it has several; how many series have which label stays.
    Whatever a model then gets right of a test image, it got from other slices of the image's own series (Yagis et al.
    2021 permuted labels over subjects so).
    """
    names, members = np.unique(series, return_inverse=True)
    counts = np.zeros((len(names), codes.max() + 1), int)
    np.add.at(counts, (members, codes), 1)
    return generator.permutation(counts.argmax(axis=1))[members]


def acquisition(thumbnails, widths, heights):
    """What can be told of pictures without looking at what they show: (n, 5) float.

    Width, height, mean grey, its standard deviation, and the mean grey of the outermost pixels of the thumbnail.
    """
    border = np.ones(thumbnails.shape[1:], bool)
    border[1:-1, 1:-1] = False
    greys = np.empty((len(thumbnails), 3))
    for start in range(0, len(thumbnails), BLOCK):
        pixels = np.asarray(thumbnails[start : start + BLOCK], float)  # (b, 25, 25)
        values = pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2)), pixels[:, border].mean(axis=1)
        greys[start : start + BLOCK] = np.column_stack(values)
    return np.column_stack([widths, heights, greys])
