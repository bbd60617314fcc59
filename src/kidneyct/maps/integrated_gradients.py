"""Integrated gradients: the class score shared out over the pixels (Sundararajan et al. 2017)."""

import numpy as np

from kidneyct.maps.saliency import batches

STEPS = 6  # points of the path; each costs a backward pass


def path(steps):
    """Midpoints of `steps` equal parts of 0..1."""
    return (np.arange(steps, dtype="float32") + 0.5) / steps


def attributions(gradient, images, classes, batch_size, steps=STEPS):
    """Signed attributions (n, h, w, c) float32 of images (n, h, w, c), pixels 0..255, for one class each.

    Equation 1 by the midpoint rule, with a black picture as the baseline. An image's attributions sum to
    its score less the black picture's, but for the rule's error. `gradient` gives the class score's gradient
    in the pixels for inputs (b, h, w, c) and classes (b,).
    """
    shared_out = []
    for image, code in zip(images, classes, strict=True):
        total = np.zeros(image.shape, "float32")
        for at in batches(steps, batch_size):
            shares = path(steps)[at]
            total += gradient(shares[:, None, None, None] * image, np.full(len(shares), code)).sum(axis=0)
        shared_out.append(total / steps * image)
    return np.stack(shared_out)


def magnitude(attributions):
    """The map: magnitudes summed over the channels, (n, h, w, c) to (n, h, w)."""
    return np.abs(attributions).sum(axis=-1)
