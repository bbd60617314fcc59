"""Where the VGG-16 base's initial weights come from."""

import socket
import sys
import zlib
from pathlib import Path

import h5py
import keras
import numpy as np

from kidneyct.errors import InputError
from kidneyct.network import draws, photographs, vgg

# Published by Keras in keras/src/applications/vgg16.py.
IMAGENET_FILE = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{IMAGENET_FILE}"
IMAGENET_MD5 = "6d6bbae143d832006294945121d1f1fc"
SILENCE_SECONDS = 30  # of the server; get_file itself would wait for ever


def imagenet_file():
    """Path of Keras's ImageNet weights: from Keras's cache, or fetched into it, its hash checked."""
    if not sys.stdout.isatty():
        keras.utils.disable_interactive_logging()  # no progress bar in a log
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        return Path(
            keras.utils.get_file(
                IMAGENET_FILE,
                IMAGENET_URL,
                cache_subdir="models",
                file_hash=IMAGENET_MD5,
                hash_algorithm="md5",
            )
        )
    except Exception as error:  # get_file raises bare Exception where the host can't be reached
        raise InputError(
            f"{IMAGENET_FILE} can't be had ({' '.join(str(error).split())}); try again, put the file "
            f"(MD5 {IMAGENET_MD5}) into ~/.keras/models, or set weights: photographs or none"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def initial(start, role, seed, pixel_scaling):
    """A VGG-16 base with its initial weights.

    `start` is "imagenet"; "imagenet-stats", random weights of ImageNet's scale; "none", Keras's random
    initialisation; "photographs"; or the path of a weights file. What is random is drawn from `seed` and `role`.
    """
    base = vgg.base()
    if start == "imagenet":
        load(base, imagenet_file())
    elif start == "imagenet-stats":
        load(base, imagenet_file())
        redraw(base, role, seed)
    elif start == "none":
        draw(base, role, seed)
    elif start == "photographs":
        photographs.fill(base, seed, pixel_scaling)
    else:
        load(base, _source(Path(start), role))
    return base


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


def draw(base, role, seed):
    """Glorot-uniform kernels and zero biases, Keras's defaults."""
    for number, layer in enumerate(convolutions(base)):
        kernel, bias = layer.get_weights()
        layer.set_weights([draws.glorot(kernel.shape, _entropy(role, seed, number)), np.zeros_like(bias)])


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
