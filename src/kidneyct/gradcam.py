"""Grad-CAM: where the last convolution finds evidence for a class (Selvaraju et al. 2017)."""

import keras
import numpy as np

from kidneyct import gradients, vgg
from kidneyct.saliency import batches


def channel_weights(gradient):
    """Equation 1: the gradient's mean over the positions, (n, h, w, c) to (n, c)."""
    return gradient.mean(axis=(1, 2))


def weighted_sum(activations, weights):
    """Equation 2: what of the weighted sum of the channels is positive, (n, h, w, c) to (n, h, w)."""
    return np.maximum(np.einsum("nhwc,nc->nhw", activations, weights), 0)


def gradcam(network, images, classes, batch_size, layer=vgg.LAST_CONVOLUTION):
    """Grad-CAM maps (n, h', w') float32 at the resolution of `layer`, for one class an image.

    `images` are pixels 0..255. Activations are taken after the layer's ReLU, the score before the softmax.
    """
    until, after = vgg.part(network, until=layer), vgg.part(network, after=layer, until=vgg.SCORES)
    maps = []
    for at in batches(len(images), batch_size):
        activations = keras.ops.convert_to_numpy(until.predict_on_batch(images[at]))  # (b, h', w', c)
        gradient = gradients.score_gradient(after, activations, classes[at])
        maps.append(weighted_sum(activations, channel_weights(gradient)))
    return np.concatenate(maps)
