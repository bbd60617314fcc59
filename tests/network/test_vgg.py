"""VGG-16's base: the pixels that enter it, and its parts."""

import keras
import numpy as np
import pytest

from kidneyct.network import classifier, devices, features, vgg


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    devices.prepare(seed=0)
    return classifier.network(vgg.base(64), 8, 4, "unit", seed=0)


def test_caffe_scaling_is_keras_own(pixels):
    expected = keras.applications.vgg16.preprocess_input(pixels.astype("float32").copy())
    scaled = vgg.PixelScaling("caffe")(pixels)
    assert np.allclose(keras.ops.convert_to_numpy(scaled), expected, atol=1e-4)
    assert float(keras.ops.max(vgg.PixelScaling("unit")(pixels))) <= 1


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_the_two_parts_make_the_whole(network, pixels, blocks):
    whole = network.predict_on_batch(pixels)
    until = vgg.part(network, until=vgg.boundary(blocks)).predict_on_batch(pixels)
    assert until.shape[1:] == features.shape(64, blocks)
    parts = vgg.part(network, after=vgg.boundary(blocks)).predict_on_batch(until)
    assert np.allclose(parts, whole, atol=1e-6)
