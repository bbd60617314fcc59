"""The paper's network: VGG-16 without its top, Flatten, a dense ReLU layer, a dense softmax layer."""

import keras
import numpy as np

BLOCKS = 5
LAST_CONVOLUTION = "block5_conv3"
SCORES = "scores"  # the layer before the softmax
# Means of the ImageNet training set in blue-green-red order, as in keras.applications.imagenet_utils.
CAFFE_MEANS_BGR = (103.939, 116.779, 123.68)


def base(image_size=200):
    """Keras's VGG-16 without its top, randomly initialised; its kernels do not depend on image_size."""
    return keras.applications.VGG16(weights=None, include_top=False, input_shape=(image_size, image_size, 3))


class PixelScaling(keras.layers.Layer):
    """Brings RGB pixels 0..255, shape (n, h, w, 3), to the base's input range.

    "unit" divides by 255. "caffe" is what Keras's ImageNet weights were trained with: channels in
    blue-green-red order, ImageNet's means taken off, no division.
    """

    def __init__(self, scaling, **kwargs):
        super().__init__(**kwargs)
        if scaling not in ("unit", "caffe"):
            raise ValueError(f"pixel scaling is 'unit' or 'caffe', got {scaling!r}")
        self.scaling = scaling

    def call(self, pixels):
        pixels = keras.ops.cast(pixels, self.compute_dtype)
        if self.scaling == "unit":
            return pixels / 255
        return pixels[..., ::-1] - np.array(CAFFE_MEANS_BGR, "float32")


def network(base, dense_units, classes, pixel_scaling, seed):
    """The whole classifier over the layers of `base`: RGB pixels 0..255 in, class probabilities out.

    A plain chain of layers. The head's initial weights are drawn from `seed` alone, so two networks over
    different bases start with the same head. Scores and probabilities are float32 whatever the precision.
    """
    draw = keras.initializers.GlorotUniform
    layers = [
        PixelScaling(pixel_scaling, name="pixel_scaling"),
        *base.layers[1:],  # block5_pool: (n, h // 32, w // 32, 512)
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dense(dense_units, activation="relu", kernel_initializer=draw(seed), name="dense"),
        keras.layers.Dense(classes, kernel_initializer=draw(seed + 1), dtype="float32", name=SCORES),
        keras.layers.Softmax(dtype="float32", name="probabilities"),
    ]
    return chain(base.input.shape[1:], layers, "vgg16")


def chain(shape, layers, name):
    """A model that applies `layers` one after the other to an input of `shape` (without the batch axis)."""
    x = inputs = keras.Input(shape)
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, x, name=name)


def part(network, after=None, until=None):
    """The chain of a network's layers behind the layer `after` up to the layer `until`, both by name.

    None stands for the input and for the last layer. The part shares its layers with the network.
    """
    names = [layer.name for layer in network.layers]
    start = 1 if after is None else names.index(after) + 1
    stop = len(names) if until is None else names.index(until) + 1
    layers = network.layers[start:stop]
    shape = network.input.shape[1:] if after is None else network.layers[start - 1].output.shape[1:]
    return chain(shape, layers, "part")


def frozen_part(base, pixel_scaling, frozen_blocks):
    """RGB pixels 0..255 to the output of the last frozen block; shares the layers of `base`."""
    names = [layer.name for layer in base.layers]
    layers = base.layers[1 : names.index(boundary(frozen_blocks)) + 1]
    scaling = PixelScaling(pixel_scaling, name="pixel_scaling")
    return chain(base.input.shape[1:], [scaling, *layers], "frozen")


def boundary(frozen_blocks):
    """Name of the last frozen layer; None where nothing is frozen."""
    return f"block{frozen_blocks}_pool" if frozen_blocks else None


def freeze(network, frozen_blocks):
    """Mark the layers of the first blocks as not trainable, all others as trainable."""
    for layer in network.layers:
        block = layer.name.startswith("block") and int(layer.name[len("block")])
        layer.trainable = not (block and block <= frozen_blocks)
