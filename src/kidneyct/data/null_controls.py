"""Null controls: what a split yields to models that can know nothing of the disease."""

import numpy as np


def permuted(codes, series, generator):
    """The codes (n,) after the series have swapped their labels at random.

    All images of a series (n,) get one label, its commonest if it has several; how many series have which label stays.
    Whatever a model then gets right of a test image, it got from other slices of the image's own series (Yagis et al.
    2021 permuted labels over subjects so).
    """
    names, members = np.unique(series, return_inverse=True)
    labels = np.array([np.bincount(codes[members == number]).argmax() for number in range(len(names))])
    return generator.permutation(labels)[members]


def acquisition(thumbnails, widths, heights):
    """What can be told of pictures without looking at what they show: (n, 5) float.

    Width, height, mean grey, its standard deviation, and the mean grey of the outermost pixels of the thumbnail.
    """
    pixels = np.asarray(thumbnails, float)  # (n, 25, 25)
    border = np.ones(pixels.shape[1:], bool)
    border[1:-1, 1:-1] = False
    return np.column_stack(
        [widths, heights, pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2)), pixels[:, border].mean(axis=1)]
    )
