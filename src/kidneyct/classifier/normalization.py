"""The base's output brought to mean 0 and variance 1, channel by channel, before the head sees it.

Random features are about 5e-4, ImageNet's about 1: without it one learning rate means two things to two starts.
"""

import math

import keras
import numpy as np

from kidneyct.backbone import vgg

NAME = "normalization"
BATCH_SIZE = 32


def layer():
    """The layer, to be placed behind the base; it passes its input on unchanged until it is adapted."""
    return keras.layers.Normalization(axis=-1, dtype="float32", name=NAME)  # a variance may be below 16 bits


def adapt(model, inputs, rows):
    """Set the layer's mean and variance to those of the training rows alone.

    `model` runs on `inputs` (n, ...): on images, or on cached features. A channel that is the same everywhere is only
    shifted, so that it stays harmless where another image wakes it.
    """
    names = [each.name for each in model.layers]
    place = names.index(NAME)
    before = vgg.part(model, until=names[place - 1]) if place > 1 else None  # None: the inputs are what it sees
    mean, variance = moments(before, inputs, rows)
    normalization = model.get_layer(NAME)
    normalization.set_weights([mean, np.where(variance > 0, variance, 1), np.array(0)])
    normalization.finalize_state()


def moments(model, inputs, rows):
    """Mean and variance of each channel over some rows and all positions, (c,) float64 twice, batch by batch.

    Of a model's output, or of the inputs themselves where `model` is None.
    """
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, len(rows), BATCH_SIZE):
        batch = inputs[rows[start : start + BATCH_SIZE]]
        outputs = batch if model is None else keras.ops.convert_to_numpy(model.predict_on_batch(batch))
        values = np.asarray(outputs, "float64")  # (b, h, w, c)
        axes = tuple(range(values.ndim - 1))
        count += math.prod(values.shape[:-1])
        total, squares = total + values.sum(axis=axes), squares + np.square(values).sum(axis=axes)
    mean = total / count
    return mean, np.maximum(squares / count - mean**2, 0)
