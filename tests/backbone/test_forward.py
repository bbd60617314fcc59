"""Frozen blocks by ncnn, against Keras."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import devices, forward, vgg
from kidneyct.classifier import classifier


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)


def base(image_size):
    """A VGG-16 whose layers keep a signal's size, with biases of both signs, so that some units are silent."""
    model, draw = vgg.base(image_size), np.random.default_rng(0)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.weights
            scale = np.sqrt(2 / np.prod(kernel.shape[:3]))
            layer.set_weights([draw.normal(0, scale, kernel.shape), draw.normal(0, 0.1, bias.shape)])
    return model


@pytest.mark.parametrize(("image_size", "scaling", "blocks"), [(64, "unit", 5), (45, "caffe", 5), (33, "unit", 2)])
def test_it_gives_what_keras_gives_but_for_rounding(image_size, scaling, blocks):
    part = vgg.frozen_part(base(image_size), scaling, blocks)
    images = np.random.default_rng(1).integers(0, 256, (3, image_size, image_size, 3), np.uint8)
    expected, found = part.predict_on_batch(images), forward.function(part)(images)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert 0.1 < np.mean(expected == 0) < 0.9
    assert np.abs(found - expected).max() < 1e-5 * expected.max()


def test_an_image_is_the_same_in_any_company_and_on_any_number_of_threads(monkeypatch):
    part = vgg.frozen_part(base(32), "unit", 3)
    images = np.random.default_rng(2).integers(0, 256, (5, 32, 32, 3), np.uint8)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone = forward.function(part)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    together = forward.function(part)(images)
    assert all(np.array_equal(alone(images[row : row + 1])[0], together[row]) for row in range(5))


def test_threads_are_those_that_are_allowed(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert forward.threads() == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.setattr("joblib.cpu_count", lambda: 5)
    assert forward.threads() == 5


def test_a_gpu_runs_keras(monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: ["gpu:0"])
    part = vgg.frozen_part(base(32), "unit", 1)
    images = np.random.default_rng(3).integers(0, 256, (2, 32, 32, 3), np.uint8)
    assert np.array_equal(forward.function(part)(images), part.predict_on_batch(images))


def test_other_layers_are_refused():
    with pytest.raises(TypeError, match="expected convolutions and poolings, got Flatten"):
        forward.function(vgg.chain((8, 8, 3), [vgg.PixelScaling("unit"), keras.layers.Flatten()], "other"))


@pytest.mark.parametrize("gpus", [[], ["gpu:0"]])
def test_a_whole_network_as_it_now_is(gpus, monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: gpus)
    network = classifier.network(vgg.base(32), 8, 3, "unit", seed=0)
    for layer in network.layers[:-2]:  # so that a random start's signal does not fade
        layer.set_weights([weight * 2 for weight in layer.get_weights()])
    pictures = np.random.default_rng(4).uniform(0, 255, (5, 32, 32, 3)).astype("float32")
    pictures[0] = 0
    found, expected = forward.whole(network)(pictures), network.predict_on_batch(pictures)
    assert found == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-2  # the pictures differ
