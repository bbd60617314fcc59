"""Integrated gradients, worked out by hand."""

import keras
import numpy as np
from gradient import pixel_gradient
from lines import linear

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.maps import integrated_gradients


def test_a_linear_models_integrated_gradients_are_weights_times_pixels():
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    found = integrated_gradients.attributions(pixel_gradient(linear()), images, np.array([0, 1]), 4, steps=3)
    weights = np.arange(-6, 6).reshape(2, 2, 3)
    assert np.allclose(found, [weights * images[0], -2 * weights * images[1]], rtol=1e-6)
    # First pixel: |-6·0| + |-5·1| + |-4·2| = 13.
    assert integrated_gradients.magnitude(found)[0, 0, 0] == 13


def test_integrated_gradients_sum_to_the_score_less_the_black_pictures():
    """A ReLU of 3·p - 30 where the pixel p is 40: the rule's points below p = 10 give nothing."""
    hidden = keras.layers.Dense(1, activation="relu")
    scores = keras.layers.Dense(1, use_bias=False, name=classifier.SCORES)
    network = vgg.chain((1, 1, 1), [keras.layers.Flatten(), hidden, scores], "bent")
    hidden.set_weights([np.array([[3]], "float32"), np.array([-30], "float32")])
    scores.set_weights([np.array([[2]], "float32")])
    image = np.full((1, 1, 1, 1), 40, np.uint8)
    found = integrated_gradients.attributions(pixel_gradient(network), image, np.array([0]), 8, steps=8)
    # Points 2.5, 7.5, 12.5 … 37.5: six of eight have slope 6, so 6 · 6/8 · 40 = 180 = 2·(3·40 - 30) - 0.
    assert found.item() == 180


def test_integrated_gradients_are_complete_on_a_small_relu_network():
    generator = np.random.default_rng(4)
    dense = [keras.layers.Dense(units, activation="relu") for units in (12, 8)]
    scores = keras.layers.Dense(3, name=classifier.SCORES)
    network = vgg.chain((4, 4, 3), [vgg.PixelScaling("caffe"), keras.layers.Flatten(), *dense, scores], "small")
    for layer in (*dense, scores):
        layer.set_weights([generator.normal(size=weight.shape) for weight in layer.weights])
    pictures, classes = generator.integers(0, 256, (2, 4, 4, 3), np.uint8), np.array([0, 2])
    found = integrated_gradients.attributions(pixel_gradient(network), pictures, classes, 100, steps=1000)
    gained = network.predict_on_batch(pictures) - network.predict_on_batch(np.zeros_like(pictures))
    assert np.allclose(found.sum(axis=(1, 2, 3)), gained[np.arange(2), classes], rtol=0.01)


def test_the_path_takes_midpoints():
    assert integrated_gradients.path(4).tolist() == [0.125, 0.375, 0.625, 0.875]
