"""The paper's network: VGG-16 without its top, Flatten or averages, a dense ReLU layer, a dense softmax layer."""

import math

import keras
import numpy as np
import psutil

from kidneyct.backbone import random_weights, vgg, weights_file
from kidneyct.pipeline.errors import InputError

SCORES = "scores"  # the layer before the softmax
NORMALIZATION = "normalization"  # the layer between base and head
BATCH_SIZE = 32  # in which it is adapted


def network(base, dense_units, classes, pixel_scaling, normalize="none", head="flatten", *, seed):
    """The whole classifier over the layers of `base`: RGB pixels 0..255 in, class probabilities out.

    A plain chain of layers. `normalize` is "none", as in the paper, or "features": a layer between base and head that
    `adapt` sets. `head` is "flatten", as in the paper, or "average", each channel's mean over the
    positions. The head's initial weights are drawn from `seed` alone, so two networks over different bases start with
    the same head; where it is None they are zeros, for others to take their place. Scores and probabilities are float32
    whatever the precision.
    """
    _affordable(base.output.shape[-1] if head == "average" else math.prod(base.output.shape[1:]), dense_units)
    entrance = keras.layers.GlobalAveragePooling2D if head == "average" else keras.layers.Flatten
    layers = [
        vgg.PixelScaling(pixel_scaling, name="pixel_scaling"),
        *base.layers[1:],  # block5_pool: (n, h // 32, w // 32, 512)
        *([normalization()] if normalize == "features" else []),
        entrance(name=head),
        keras.layers.Dense(dense_units, activation="relu", kernel_initializer="zeros", name="dense"),
        keras.layers.Dense(classes, kernel_initializer="zeros", dtype="float32", name=SCORES),
        keras.layers.Softmax(dtype="float32", name="probabilities"),
    ]
    model = vgg.chain(base.input.shape[1:], layers, "vgg16")
    if seed is not None:
        for number, name in enumerate(("dense", SCORES)):
            kernel = model.get_layer(name).kernel
            kernel.assign(random_weights.keras_glorot(tuple(kernel.shape), seed + number))
    return model


def head(model, classes):
    """The arguments of `network` and `trained` behind the base, from the section `model` of params.yaml."""
    return model.dense_units, len(classes), model.pixel_scaling, model.normalize, model.head


def normalization():
    """The layer that brings the base's output to mean 0 and variance 1, channel by channel, once it is adapted.

    Random features are about 5e-4, ImageNet's about 1: without it one learning rate means two things to two starts.
    """
    return keras.layers.Normalization(axis=-1, dtype="float32", name=NORMALIZATION)  # a variance may be below 16 bits


def adapt(model, inputs, rows):
    """Set the layer's mean and variance to those of the training rows alone.

    `model` runs on `inputs` (n, ...): on images, or on cached features. A channel that is the same everywhere is only
    shifted, so that it stays harmless where another image wakes it.
    """
    names = [each.name for each in model.layers]
    place = names.index(NORMALIZATION)
    before = vgg.part(model, until=names[place - 1]) if place > 1 else None  # None: the inputs are what it sees
    mean, variance = moments(before, inputs, rows)
    layer = model.get_layer(NORMALIZATION)
    layer.set_weights([mean, np.where(variance > 0, variance, 1), np.array(0)])
    layer.finalize_state()


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


def _affordable(features, dense_units):
    """InputError where the dense layer's weights and Adam's two moments of each, at 32 bits, are beyond the memory."""
    needed, memory = 3 * 4 * features * dense_units, psutil.virtual_memory().total
    if needed > memory:
        raise InputError(
            f"model.dense_units: {dense_units} units on {features} features need {needed / 2**30:,.0f} GiB in training "
            f"and this machine has {memory / 2**30:,.0f}; lower model.dense_units or preprocess.image_size"
        )


def trained(weights, image_size, dense_units, classes, pixel_scaling, normalize="none", head="flatten"):
    """The network with the weights that training left in a file, `models/<role>/model.weights.h5`.

    InputError where the file is damaged or of another network.
    """
    model = network(vgg.base(image_size), dense_units, classes, pixel_scaling, normalize, head, seed=None)
    weights_file.load(model.layers, weights, "run dvc repro for a new one")
    return model


def arrays(network):
    """All weights of a network, "layer/weight" -> float32 array."""
    return {name: np.asarray(keras.ops.convert_to_numpy(weight), "float32") for name, weight in variables(network)}


def variables(network):
    """Pairs of a name, "layer/weight", and that weight of a network."""
    return [(f"{layer.name}/{weight.name}", weight) for layer in network.layers for weight in layer.weights]


def fill(network, arrays):
    """Give a network the weights that `arrays` gave of another one of its shapes."""
    for layer in network.layers:
        own = [arrays[f"{layer.name}/{weight.name}"] for weight in layer.weights]
        if own:
            layer.load_own_variables({str(number): array for number, array in enumerate(own)})


def freeze(network, frozen_blocks):
    """Mark the layers of the first blocks as not trainable, all others as trainable."""
    for layer in network.layers:
        layer.trainable = not 0 < vgg.block(layer) <= frozen_blocks
