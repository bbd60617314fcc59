"""Frozen blocks by ncnn, forward and backward, against Keras, finite differences and numbers worked out by hand."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from kidneyct.backbone import backpropagation, devices, forward, gradients, vgg


@pytest.fixture(autouse=True)
def on_a_cpu(monkeypatch):
    monkeypatch.setattr(devices, "gpus", list)
    devices.prepare(seed=0)


def chain(image_size, scaling, blocks):
    """VGG-16's first blocks and a dense layer of three scores, with weights that keep a signal's size.

    Their biases have both signs, so that some units are silent.
    """
    frozen = vgg.frozen_part(vgg.base(image_size), scaling, blocks)
    layers = [*frozen.layers[1:], keras.layers.Flatten(), keras.layers.Dense(3, name="scores")]
    whole, draw = vgg.chain((image_size, image_size, 3), layers, "chain"), np.random.default_rng(0)
    for layer in layers:
        if layer.weights:
            kernel, bias = layer.weights
            scale = np.sqrt(2 / np.prod(kernel.shape[:-1]))
            layer.set_weights([draw.normal(0, scale, kernel.shape), draw.normal(0, 0.1, bias.shape)])
    return whole


def pictures(count, image_size):
    return np.random.default_rng(1).integers(0, 256, (count, image_size, image_size, 3)).astype("float32")


@pytest.fixture(scope="module")
def whole():
    return chain(32, "unit", 2)


def own(parts):
    """The backend's own gradient, whatever a CPU would take."""
    compiled = (gradients._jax if keras.backend.backend() == "jax" else gradients._tensorflow)(parts)

    def call(inputs, classes):
        values, slopes = compiled(inputs, np.eye(3, dtype="float32")[classes])
        return [tuple(map(keras.ops.convert_to_numpy, pair)) for pair in zip(values, slopes, strict=True)]

    return call


# Sides of 33 and 19, half of 38, are odd at a pooling; the gradient is asked for before one and behind one.
@pytest.mark.parametrize(("image_size", "scaling", "blocks"), [(33, "unit", 2), (45, "caffe", 4), (38, "unit", 3)])
def test_it_gives_what_keras_gives_but_for_rounding(image_size, scaling, blocks):
    whole, inputs, classes = chain(image_size, scaling, blocks), pictures(3, image_size), np.array([0, 2, 1])
    part = vgg.part(whole, until=vgg.boundary(blocks))
    expected, found = part.predict_on_batch(inputs), forward.function(part)(inputs.astype(np.uint8))
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    assert 0.1 < np.mean(expected == 0) < 0.9
    assert np.abs(found - expected).max() < 1e-5 * expected.max()
    assert forward.function(whole)(inputs) == pytest.approx(whole.predict_on_batch(inputs), abs=1e-3)
    places = (None, "block1_conv2", "block2_pool", None) if blocks > 2 else (None, "block2_conv2", None)
    parts = [vgg.part(whole, after, until) for after, until in pairwise(places)]
    assert isinstance(backpropagation.function(parts, own), backpropagation._Chain)
    found, expected = gradients.backward(*parts)(inputs, classes), own(parts)(inputs, classes)
    for ours, theirs in zip(sum(found, ()), sum(expected, ()), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, np.float32)
        assert np.linalg.norm(ours - theirs) < 5e-3 * np.linalg.norm(theirs)  # a unit near zero may round away


def test_an_image_is_the_same_in_any_company_and_on_any_number_of_threads(monkeypatch, whole):
    part, inputs, classes = vgg.part(whole, until="block2_pool"), pictures(5, 32), np.array([0, 1, 2, 0, 1])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    alone, (_, slope_alone) = forward.function(part), gradients.backward(whole)(inputs[3:4], classes[3:4])[0]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    together, (_, slopes) = forward.function(part)(inputs), gradients.backward(whole)(inputs, classes)[0]
    assert all(np.array_equal(alone(inputs[row : row + 1])[0], together[row]) for row in range(5))
    assert np.allclose(slope_alone[0], slopes[3], rtol=0, atol=1e-6 * np.abs(slopes[3]).max())


def test_threads_are_those_that_are_allowed(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert forward.threads() == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.setattr("joblib.cpu_count", lambda: 5)
    assert forward.threads() == 5


def test_it_stays_valid_when_weights_change(whole):
    inputs, backward = pictures(2, 32), gradients.backward(whole)
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


def test_where_it_can_not_the_backend_does(monkeypatch, whole):
    assert backpropagation.function([whole], own) is not None
    tail, front = vgg.part(whole, after="block2_pool"), vgg.part(whole, until="block2_pool")
    odd = vgg.chain((8, 8, 3), [vgg.PixelScaling("unit"), keras.layers.Conv2D(2, 1), keras.layers.Flatten()], "odd")
    for model in (tail, front, odd):  # no convolution; nothing behind them; another convolution
        assert backpropagation.function([model], own) is None
    assert np.array_equal(forward.function(odd)(np.ones((1, 8, 8, 3))), odd.predict_on_batch(np.ones((1, 8, 8, 3))))
    monkeypatch.setattr(devices, "gpus", lambda: ["gpu:0"])
    assert backpropagation.function([whole], own) is None
    assert np.array_equal(forward.function(front)(pictures(2, 32)), front.predict_on_batch(pictures(2, 32)))


def test_a_gradient_by_hand():
    """Two parts that follow one another: h = relu(x · (1, -1)), scores = h · ((2, 3), (5, 7))."""
    dense = [keras.layers.Dense(2, activation="relu", use_bias=False), keras.layers.Dense(2, use_bias=False)]
    parts = [vgg.chain((1,), dense[:1], "first"), vgg.chain((2,), dense[1:], "second")]
    dense[0].set_weights([np.array([[1, -1]])])
    dense[1].set_weights([np.array([[2, 3], [5, 7]])])
    outer, inner = ([array.tolist() for array in pair] for pair in gradients.backward(*parts)([[3.0], [-2.0]], [0, 1]))
    # x = 3: h = (3, 0); score 0's slope in h is (2, 5), in x 1·2, the second unit being off.
    # x = -2: h = (0, 2); score 1's slope in h is (3, 7), in x -1·7.
    assert outer == [[[3], [-2]], [[2], [-7]]]
    assert inner == [[[3, 0], [0, 2]], [[2, 5], [3, 7]]]
