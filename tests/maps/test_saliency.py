"""Saliency, worked out by hand."""

import keras
import numpy as np
from gradient import pixel_gradient

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.maps import saliency


def test_a_linear_models_saliency_is_its_weights():
    kernel = np.arange(-6, 6, dtype="float32").reshape(12, 1) * [[1, -2]]
    scores = keras.layers.Dense(2, use_bias=False, name=classifier.SCORES)
    network = vgg.chain((2, 2, 3), [keras.layers.Flatten(), scores, keras.layers.Softmax()], "line")
    scores.set_weights([kernel])
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 3), np.uint8)
    maps = saliency.from_gradient(pixel_gradient(network)(images, np.array([0, 1, 0])))
    # Kernel of class 0 by pixel: (-6 -5 -4) (-3 -2 -1) (0 1 2) (3 4 5); class 1 has twice that, negated.
    assert maps[0].tolist() == [[6, 3], [2, 5]]
    assert maps[1].tolist() == [[12, 6], [4, 10]]
    assert np.array_equal(maps[0], maps[2])
