"""A score's gradient by ncnn, against the backend's own."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from kidneyct.backbone import backpropagation, devices, gradients, vgg


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)
    devices.prepare(seed=0)


def chain(image_size, scaling, blocks, seed=0):
    """The first blocks of a VGG-16 and a dense layer of three scores; weights that keep a signal's size."""
    base = vgg.base(image_size)
    frozen = vgg.frozen_part(base, scaling, blocks)
    layers = [*frozen.layers[1:], keras.layers.Flatten(), keras.layers.Dense(3, name="scores")]
    whole, draw = vgg.chain((image_size, image_size, 3), layers, "chain"), np.random.default_rng(seed)
    for layer in layers:
        if layer.weights:
            kernel, bias = layer.weights
            scale = np.sqrt(2 / np.prod(kernel.shape[:-1]))
            layer.set_weights([draw.normal(0, scale, kernel.shape), draw.normal(0, 0.1, bias.shape)])
    return whole


def pictures(count, image_size):
    return np.random.default_rng(1).integers(0, 256, (count, image_size, image_size, 3)).astype("float32")


def own(parts):
    """The backend's own gradient, whatever a CPU would take."""
    compiled = gradients._BACKWARD[keras.backend.backend()](parts)

    def call(inputs, classes):
        values, slopes = compiled(inputs, np.eye(3, dtype="float32")[classes])
        return [tuple(map(keras.ops.convert_to_numpy, pair)) for pair in zip(values, slopes, strict=True)]

    return call


@pytest.mark.parametrize(("image_size", "scaling", "blocks"), [(33, "unit", 2), (32, "caffe", 2), (38, "unit", 3)])
def test_it_gives_what_the_backend_gives_but_for_rounding(image_size, scaling, blocks):
    """Sides of 33 and 19, half of 38, are odd at a pooling; the gradient is asked for before one and behind one."""
    whole = chain(image_size, scaling, blocks)
    places = (None, "block1_conv2", "block2_pool", None) if blocks > 2 else (None, "block2_conv2", None)
    parts = [vgg.part(whole, after, until) for after, until in pairwise(places)]
    assert isinstance(backpropagation.function(parts, own), backpropagation._Chain)
    inputs, classes = pictures(3, image_size), np.array([0, 2, 1])
    found, expected = gradients.backward(*parts)(inputs, classes), own(parts)(inputs, classes)
    assert len(found) == len(expected) == len(parts)
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.shape == other.shape
            assert one.dtype == np.float32
            assert np.linalg.norm(one - other) < 5e-3 * np.linalg.norm(other)  # a unit near zero may round away


def test_an_image_is_the_same_in_any_company_and_on_any_number_of_threads(monkeypatch):
    whole, inputs, classes = chain(32, "unit", 2), pictures(5, 32), np.array([0, 1, 2, 0, 1])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (_, alone), *_ = gradients.backward(whole)(inputs[3:4], classes[3:4])
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    (_, together), *_ = gradients.backward(whole)(inputs, classes)
    assert np.allclose(alone[0], together[3], rtol=0, atol=1e-6 * np.abs(alone).max())


def test_it_stays_valid_when_weights_change():
    whole, inputs = chain(32, "unit", 2), pictures(2, 32)
    backward = gradients.backward(whole)
    before = backward(inputs, [0, 1])[0][1]
    layer = whole.get_layer("block1_conv1")
    kernel, bias = layer.get_weights()
    layer.set_weights([-kernel, bias])
    after, expected = backward(inputs, [0, 1])[0][1], own([whole])(inputs, [0, 1])[0][1]
    assert np.linalg.norm(after - before) > 0.1 * np.linalg.norm(before)
    assert np.linalg.norm(after - expected) < 1e-3 * np.linalg.norm(expected)
    layer.set_weights([kernel, bias])
    assert np.array_equal(backward(inputs, [0, 1])[0][1], before)


def test_the_first_of_equal_values_is_chosen():
    inputs = np.array([[[0, 0, 7, 8, 9], [0, 0, 8, 1, 9], [3, 4, 0, 0, 9]]], "float32")  # (1, 3, 5)
    chosen = backpropagation._chosen(inputs, np.array([[[0, 8]]], "float32"))
    assert chosen.astype(int).tolist() == [[[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]]


def test_where_it_can_not_the_backend_does(monkeypatch):
    whole = chain(32, "unit", 1)
    assert backpropagation.function([whole], own) is not None
    tail = vgg.part(whole, after="block1_pool")
    assert backpropagation.function([tail], own) is None  # no convolution
    assert backpropagation.function([vgg.part(whole, until="block1_pool")], own) is None  # nothing behind them
    odd = vgg.chain((8, 8, 3), [vgg.PixelScaling("unit"), keras.layers.Conv2D(2, 1), keras.layers.Flatten()], "odd")
    assert backpropagation.function([odd], own) is None
    monkeypatch.setattr(devices, "gpus", lambda: ["gpu:0"])
    assert backpropagation.function([whole], own) is None
