"""Saliency maps: which pixels move the class score (Simonyan et al. 2014, section 3)."""

import numpy as np

from kidneyct.network import gradients, vgg


def from_gradient(gradient):
    """The largest magnitude over the channels: (n, h, w, c) to (n, h, w)."""
    return np.abs(gradient).max(axis=-1)


def saliency(network, images, classes, batch_size):
    """Saliency maps (n, h, w) float32 of images (n, h, w, 3), pixels 0..255, for one class each.

    The score is the one before the softmax; a value is its change per grey level of the strongest channel.
    """
    scores = vgg.part(network, until=vgg.SCORES)
    return np.concatenate(
        [
            from_gradient(gradients.score_gradient(scores, images[at], classes[at]))
            for at in batches(len(images), batch_size)
        ]
    )


def batches(count, batch_size):
    """Slices that cover `count` rows in order."""
    return [slice(start, start + batch_size) for start in range(0, count, batch_size)]
