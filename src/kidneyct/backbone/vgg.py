"""VGG-16 without its top, the pixels that enter it, and chains of its layers."""

import keras
import numpy as np

from kidneyct.backbone import weights_file

LAST_CONVOLUTION = "block5_conv3"
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
        means = keras.ops.convert_to_tensor(np.array(CAFFE_MEANS_BGR, "float32"))
        return keras.ops.flip(pixels, axis=-1) - keras.ops.cast(means, self.compute_dtype)


def initialised(path, image_size):
    """The base with the initial weights that the stage `features` left in a file; InputError where it is damaged."""
    model = base(image_size)
    weights_file.load(model.layers, path, f"bring it back with dvc checkout {path}, or make it again with dvc repro")
    return model


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
    layers = part(base, until=boundary(frozen_blocks)).layers[1:]
    return chain(base.input.shape[1:], [PixelScaling(pixel_scaling, name="pixel_scaling"), *layers], "frozen")


def block(layer):
    """The number of the block that a layer is in, from 1; 0 for a layer outside them."""
    return int(layer.name[len("block")]) if layer.name.startswith("block") else 0


def boundary(frozen_blocks):
    """Name of the last frozen layer; None where nothing is frozen."""
    return f"block{frozen_blocks}_pool" if frozen_blocks else None
