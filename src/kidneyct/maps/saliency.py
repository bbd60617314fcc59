"""Saliency maps: which pixels move the class score (Simonyan et al. 2014, section 3)."""

import numpy as np


def from_gradient(gradient):
    """The largest magnitude over the channels: (n, h, w, c) to (n, h, w).

    `gradient` is that of the score before the softmax; a value is its change per grey level of the strongest channel.
    """
    return np.abs(gradient).max(axis=-1)


def batches(count, batch_size):
    """Slices that cover `count` rows in order."""
    return [slice(start, start + batch_size) for start in range(0, count, batch_size)]
