"""A class score's gradient, against finite differences."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from gradient import pixel_gradient

from kidneyct.backbone import devices, gradients, vgg
from kidneyct.classifier import classifier


@pytest.fixture(scope="module")
def base():
    devices.prepare(seed=0)
    return vgg.base(64)


@pytest.fixture(scope="module")
def network(base):
    return classifier.network(base, 16, 4, "unit", seed=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)


CLASSES = np.array([0, 2, 3])


def test_a_gradient_matches_finite_differences(network, images):
    scores = vgg.part(network, until=classifier.SCORES)
    pixels = images[:1].astype("float32")
    direction = np.random.default_rng(2).normal(size=pixels.shape).astype("float32")
    slope = float((pixel_gradient(network)(pixels, [1]) * direction).sum())
    step = 0.5
    ahead, behind = (scores.predict_on_batch(pixels + sign * step * direction)[0, 1] for sign in (1, -1))
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=0.05)


def test_one_backward_pass_serves_several_layers(network, images):
    parts = vgg.part(network, until=vgg.LAST_CONVOLUTION), vgg.part(network, vgg.LAST_CONVOLUTION, classifier.SCORES)
    (pixels, outer), (activations, inner) = gradients.backward(*parts)(images, CLASSES)
    assert np.array_equal(pixels, images)
    assert np.allclose(outer, pixel_gradient(network)(images, CLASSES), atol=1e-9)
    assert np.allclose(inner, gradients.backward(parts[1])(activations, CLASSES)[0][1], atol=1e-9)


# Two parts that follow one another: h = relu(x · (1, -1)), scores = h · (2, 3); x = 3, so h = 3, 0.
PROGRAM = """
import json
import numpy as np
from kidneyct.backbone import gradients, vgg
import keras
dense = [keras.layers.Dense(2, activation="relu", use_bias=False), keras.layers.Dense(2, use_bias=False)]
parts = [vgg.chain((1,), dense[:1], "first"), vgg.chain((2,), dense[1:], "second")]
dense[0].set_weights([np.array([[1, -1]])])
dense[1].set_weights([np.array([[2, 3], [5, 7]])])
pairs = gradients.backward(*parts)(np.array([[3.0], [-2.0]]), [0, 1])
print(json.dumps([keras.backend.backend(), [[array.tolist() for array in pair] for pair in pairs]]))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_each_backend_gives_the_gradient_worked_out_by_hand(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": "src"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    used, (outer, inner) = json.loads(done.stdout)
    assert used == backend
    # x = 3: h = (3, 0); score 0's slope in h is (2, 5), in x 1·2, the second unit being off.
    # x = -2: h = (0, 2); score 1's slope in h is (3, 7), in x -1·7.
    assert outer == [[[3], [-2]], [[2], [-7]]]
    assert inner == [[[3, 0], [0, 2]], [[2, 5], [3, 7]]]
