"""VGG-16's base: the pixels that enter it, and its parts."""

import keras
import numpy as np

from kidneyct.backbone import features, vgg
from kidneyct.classifier import classifier

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


def test_caffe_scaling_is_keras_own():
    expected = keras.applications.vgg16.preprocess_input(PIXELS.astype("float32").copy())
    scaled = vgg.PixelScaling("caffe")(PIXELS)
    assert np.allclose(keras.ops.convert_to_numpy(scaled), expected, atol=1e-4)
    assert float(keras.ops.max(vgg.PixelScaling("unit")(PIXELS))) <= 1


def test_the_two_parts_make_the_whole():
    network = classifier.network(vgg.base(64), 8, 4, "unit", seed=0)
    whole = network.predict_on_batch(PIXELS)
    for blocks in (1, 5):
        until = vgg.part(network, until=vgg.boundary(blocks)).predict_on_batch(PIXELS)
        assert until.shape[1:] == features.shape(64, blocks)
        parts = vgg.part(network, after=vgg.boundary(blocks)).predict_on_batch(until)
        assert np.allclose(parts, whole, atol=1e-6)
