"""Saliency, SmoothGrad and integrated gradients, worked out by hand."""

import keras
import numpy as np
import pytest
from gradient import pixel_gradient
from lines import linear

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.maps import saliency


def test_of_a_linear_model():
    # Kernel of class 0 by pixel: (-6 -5 -4) (-3 -2 -1) (0 1 2) (3 4 5); class 1 has twice that, negated.
    gradient, classes = pixel_gradient(linear()), np.array([0, 1])
    weights = np.arange(-6, 6).reshape(2, 2, 3)
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    expected = [[[6, 3], [2, 5]], [[12, 6], [4, 10]]]
    assert saliency.from_gradient(gradient(images, classes)).tolist() == expected
    assert saliency.smoothgrad(gradient, images, classes, batch_size=2, seed=0, samples=3).tolist() == expected
    found = saliency.attributions(gradient, images, classes, 4, steps=3)
    assert np.allclose(found, [weights * images[0], -2 * weights * images[1]], rtol=1e-6)
    # First pixel: |-6·0| + |-5·1| + |-4·2| = 13.
    assert saliency.magnitude(found)[0, 0, 0] == 13


def test_noise_depends_on_seed_and_position_alone():
    first = saliency.noise((64, 64, 3), 4, 0.1, seed=1, position=5)
    assert np.array_equal(first, saliency.noise((64, 64, 3), 4, 0.1, seed=1, position=5))
    assert first.std() == pytest.approx(25.5, rel=0.01)
    for other in ((2, 5), (1, 6)):
        assert abs(np.corrcoef(first.ravel(), saliency.noise((64, 64, 3), 4, 0.1, *other).ravel())[0, 1]) < 0.02


def test_integrated_gradients_sum_to_the_score_less_the_black_pictures():
    """A ReLU of 3·p - 30 where the pixel p is 40: the rule's points below p = 10 give nothing."""
    hidden = keras.layers.Dense(1, activation="relu")
    scores = keras.layers.Dense(1, use_bias=False, name=classifier.SCORES)
    network = vgg.chain((1, 1, 1), [keras.layers.Flatten(), hidden, scores], "bent")
    hidden.set_weights([np.array([[3]], "float32"), np.array([-30], "float32")])
    scores.set_weights([np.array([[2]], "float32")])
    image = np.full((1, 1, 1, 1), 40, np.uint8)
    found = saliency.attributions(pixel_gradient(network), image, np.array([0]), 8, steps=8)
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
    found = saliency.attributions(pixel_gradient(network), pictures, classes, 100, steps=1000)
    gained = network.predict_on_batch(pictures) - network.predict_on_batch(np.zeros_like(pictures))
    assert np.allclose(found.sum(axis=(1, 2, 3)), gained[np.arange(2), classes], rtol=0.01)
