"""Weights of VGG-16's convolutions that tell their place, and files of them."""

from itertools import pairwise

import h5py
import numpy as np

# The names, input and output channels of VGG-16's convolutions: Simonyan & Zisserman 2015, table 1, column D.
NAMES = [
    f"block{block}_conv{number}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for number in range(1, count + 1)
]
SIZES = pairwise((3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512))
CHANNELS = dict(zip(NAMES, SIZES, strict=True))


def numbered_weights():
    """Kernel and bias of each layer; every value tells its layer and, near the front, its place.

    Kernels average, so that a signal passes through all layers.
    """
    found = {}
    for number, (name, (inputs, outputs)) in enumerate(CHANNELS.items(), start=1):
        kernel = np.full((3, 3, inputs, outputs), 1 + number / 100, "float32")
        kernel.flat[:27] += np.arange(27) / 10_000
        found[name] = [kernel / (9 * inputs), np.full(outputs, number / 100, "float32")]
    return found


def write_legacy(path, layers, root="/"):
    """The layout of Keras's published VGG-16 files: a group a layer, its weights named in an attribute."""
    with h5py.File(path, "w") as file:
        group = file.require_group(root)
        for name, (kernel, bias) in layers.items():
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
            layer[f"{name}_W_1:0"], layer[f"{name}_b_1:0"] = kernel, bias
        for name in ("input_1", "block1_pool", "block5_pool"):
            group.create_group(name).attrs["weight_names"] = np.array([], "S1")


def assert_weights(base, expected):
    for name, (kernel, bias) in expected.items():
        found = base.get_layer(name).get_weights()
        np.testing.assert_array_equal(found[0], kernel, err_msg=name)
        np.testing.assert_array_equal(found[1], bias, err_msg=name)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)
