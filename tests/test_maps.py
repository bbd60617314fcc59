"""All maps, worked out by hand and against an independent library."""

import keras
import numpy as np
import pytest

from kidneyct.maps import explainer, gradcam, integrated_gradients, saliency, smoothgrad
from kidneyct.network import devices, gradients, vgg


def test_a_linear_models_saliency_is_its_weights():
    kernel = np.arange(-6, 6, dtype="float32").reshape(12, 1) * [[1, -2]]
    scores = keras.layers.Dense(2, use_bias=False, name=vgg.SCORES)
    network = vgg.chain((2, 2, 3), [keras.layers.Flatten(), scores, keras.layers.Softmax()], "line")
    scores.set_weights([kernel])
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 3), np.uint8)
    maps = saliency.saliency(network, images, np.array([0, 1, 0]), batch_size=2)
    # Kernel of class 0 by pixel: (-6 -5 -4) (-3 -2 -1) (0 1 2) (3 4 5); class 1 has twice that, negated.
    assert maps[0].tolist() == [[6, 3], [2, 5]]
    assert maps[1].tolist() == [[12, 6], [4, 10]]
    assert np.array_equal(maps[0], maps[2])


def test_grad_cams_steps_by_hand():
    gradient = np.array([[[[1.0, -2.0], [3.0, 0.0]], [[5.0, -2.0], [-1.0, 0.0]]]])
    weights = gradcam.channel_weights(gradient)
    assert weights.tolist() == [[2.0, -1.0]]  # (1 + 3 + 5 - 1) / 4 and (-2 + 0 - 2 + 0) / 4
    activations = np.array([[[[1.0, 0.0], [0.0, 3.0]], [[2.0, 1.0], [1.0, 2.0]]]])
    # 2·1 - 0 = 2, 0 - 3 = -3, 4 - 1 = 3, 2 - 2 = 0; the negative one becomes 0.
    assert gradcam.weighted_sum(activations, weights).tolist() == [[[2.0, 0.0], [3.0, 0.0]]]


def test_grad_cam_of_a_network_worked_out_by_hand():
    """A 1×1 convolution with kernels (1, -1, 0) and (0, 1, 0), ReLU; score 0 = 4·ΣA0 - 8·ΣA1."""
    convolution = keras.layers.Conv2D(2, 1, use_bias=False, activation="relu", name=vgg.LAST_CONVOLUTION)
    scores = keras.layers.Dense(2, use_bias=False, name=vgg.SCORES)
    layers = [convolution, keras.layers.Flatten(), scores, keras.layers.Softmax()]
    network = vgg.chain((2, 2, 3), layers, "tiny")
    convolution.set_weights([np.array([[1, 0], [-1, 1], [0, 0]], "float32").reshape(1, 1, 3, 2)])
    scores.set_weights([np.tile(np.array([[4, 0], [-8, 1]], "float32"), (4, 1))])
    image = np.zeros((1, 2, 2, 3), "float32")
    image[0, 0, 0], image[0, 0, 1], image[0, 1, 0] = (5, 0, 9), (5, 2, 9), (0, 3, 9)
    # A0: 5, 5 - 2 = 3, 0 (from -3), 0. A1: 0, 2, 3, 0. The gradients are 4 and -8 everywhere.
    # 4·5 = 20; 4·3 - 8·2 = -4, so 0; -8·3, so 0; 0.
    assert gradcam.gradcam(network, image, np.array([0]), 4).tolist() == [[[20, 0], [0, 0]]]
    # Class 1's score is ΣA1: its map is A1.
    assert gradcam.gradcam(network, image, np.array([1]), 4).tolist() == [[[0, 2], [3, 0]]]


@pytest.fixture(scope="module")
def base():
    devices.prepare(seed=0)
    return vgg.base(64)


@pytest.fixture(scope="module")
def network(base):
    return vgg.network(base, 16, 4, "unit", seed=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)


CLASSES = np.array([0, 2, 3])


def difference(ours, theirs):
    """Relative to our size, over all pixels: one ReLU near zero that rounds the other way moves a few of them."""
    return np.linalg.norm(ours - theirs) / np.linalg.norm(ours)


def test_saliency_agrees_with_tf_keras_vis(network, images):
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    scores = vgg.part(network, until=vgg.SCORES)
    theirs = Saliency(scores, clone=False)(
        CategoricalScore(CLASSES.tolist()), images.astype("float32"), keepdims=False, normalize_map=False
    )
    ours = saliency.saliency(network, images, CLASSES, batch_size=2)
    assert difference(ours, theirs) < 0.01


def test_grad_cam_agrees_with_tf_keras_vis(base, network, images):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    # The library looks for the layer in the graph where it was first called: Keras's own VGG-16.
    x = base.output
    for name in ("flatten", "dense", vgg.SCORES):
        x = network.get_layer(name)(x)
    theirs = Gradcam(keras.Model(base.input, x), clone=False)(
        CategoricalScore(CLASSES.tolist()),
        images.astype("float32") / 255,
        penultimate_layer=vgg.LAST_CONVOLUTION,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    ours = gradcam.gradcam(network, images, CLASSES, batch_size=2)
    assert ours.shape == (3, 4, 4)
    assert ours.max() > 0
    assert difference(ours, np.asarray(theirs)) < 0.01


def test_a_gradient_matches_finite_differences(network, images):
    scores = vgg.part(network, until=vgg.SCORES)
    pixels = images[:1].astype("float32")
    direction = np.random.default_rng(2).normal(size=pixels.shape).astype("float32")
    slope = float((gradients.score_gradient(scores, pixels, [1]) * direction).sum())
    step = 0.5
    ahead, behind = (scores.predict_on_batch(pixels + sign * step * direction)[0, 1] for sign in (1, -1))
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=0.05)


# Maps from many gradients, and all five at once.


@pytest.fixture
def linear():
    """Scores 0 and 1 of a 2×2 picture: weights -6 … 5 in order, and twice those negated."""
    kernel = np.arange(-6, 6, dtype="float32").reshape(12, 1) * [[1, -2]]
    scores = keras.layers.Dense(2, name=vgg.SCORES)
    network = vgg.chain((2, 2, 3), [keras.layers.Flatten(), scores, keras.layers.Softmax()], "line")
    scores.set_weights([kernel, np.array([7, 7], "float32")])
    return network


def pixel_gradient(network):
    backward = gradients.backward(vgg.part(network, until=vgg.SCORES))
    return lambda pixels, classes: backward(pixels, classes)[0][1]


def test_a_linear_models_smoothgrad_is_its_weights(linear):
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 2, 3), np.uint8)
    maps = smoothgrad.smoothgrad(pixel_gradient(linear), images, np.array([0, 1]), batch_size=2, seed=0, samples=3)
    assert maps.tolist() == [[[6, 3], [2, 5]], [[12, 6], [4, 10]]]


def test_a_linear_models_integrated_gradients_are_weights_times_pixels(linear):
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    found = integrated_gradients.attributions(pixel_gradient(linear), images, np.array([0, 1]), 4, steps=3)
    weights = np.arange(-6, 6).reshape(2, 2, 3)
    assert np.allclose(found, [weights * images[0], -2 * weights * images[1]], rtol=1e-6)
    # First pixel: |-6·0| + |-5·1| + |-4·2| = 13.
    assert integrated_gradients.magnitude(found)[0, 0, 0] == 13


def test_integrated_gradients_sum_to_the_score_less_the_black_pictures():
    """A ReLU of 3·p - 30 where the pixel p is 40: the rule's points below p = 10 give nothing."""
    hidden = keras.layers.Dense(1, activation="relu")
    scores = keras.layers.Dense(1, use_bias=False, name=vgg.SCORES)
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
    scores = keras.layers.Dense(3, name=vgg.SCORES)
    network = vgg.chain((4, 4, 3), [vgg.PixelScaling("caffe"), keras.layers.Flatten(), *dense, scores], "small")
    for layer in (*dense, scores):
        layer.set_weights([generator.normal(size=weight.shape) for weight in layer.weights])
    pictures, classes = generator.integers(0, 256, (2, 4, 4, 3), np.uint8), np.array([0, 2])
    found = integrated_gradients.attributions(pixel_gradient(network), pictures, classes, 100, steps=1000)
    gained = network.predict_on_batch(pictures) - network.predict_on_batch(np.zeros_like(pictures))
    assert np.allclose(found.sum(axis=(1, 2, 3)), gained[np.arange(2), classes], rtol=0.01)


def test_the_path_takes_midpoints():
    assert integrated_gradients.path(4).tolist() == [0.125, 0.375, 0.625, 0.875]


def test_noise_depends_on_seed_and_position_alone():
    first = smoothgrad.noise((64, 64, 3), 4, 0.1, seed=1, position=5)
    assert np.array_equal(first, smoothgrad.noise((64, 64, 3), 4, 0.1, seed=1, position=5))
    assert first.std() == pytest.approx(25.5, rel=0.01)
    for other in ((2, 5), (1, 6)):
        assert abs(np.corrcoef(first.ravel(), smoothgrad.noise((64, 64, 3), 4, 0.1, *other).ravel())[0, 1]) < 0.02


def test_smoothgrad_agrees_with_tf_keras_vis_on_the_same_noise(network, images, monkeypatch):
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    noises = np.stack([smoothgrad.noise((64, 64, 3), 2, 0.1, 3, position) for position in range(3)], axis=1)
    monkeypatch.setattr(np.random, "normal", lambda *args: noises)
    theirs = Saliency(vgg.part(network, until=vgg.SCORES), clone=False)(
        CategoricalScore(CLASSES.tolist()),
        images.astype("float32"),
        smooth_samples=2,
        smooth_noise=0.1,
        keepdims=False,
        normalize_map=False,
    )
    monkeypatch.undo()
    ours = smoothgrad.smoothgrad(pixel_gradient(network), images, CLASSES, 2, seed=3, samples=2, share=0.1)
    assert difference(ours, theirs) < 0.01


def test_grad_cam_plus_plus_by_hand():
    """One channel of four positions: activations 1, 2, 0, 3, so ΣA = 6; gradients 1, 0, -1, 0.5."""
    activations = np.array([1.0, 2.0, 0.0, 3.0]).reshape(1, 2, 2, 1)
    gradient = np.array([1.0, 0.0, -1.0, 0.5]).reshape(1, 2, 2, 1)
    alphas = gradcam.plus_alphas(activations, gradient)
    # g² / (2 g² + 6 g³): 1 / 8; none; 1 / (2 - 6); 0.25 / (0.5 + 0.75).
    assert alphas.ravel().tolist() == pytest.approx([0.125, 0, -0.25, 0.2])
    # 0.125·1 + 0.2·0.5 = 0.225; the negative gradient adds nothing.
    assert gradcam.plus_weights(gradient, alphas).item() == pytest.approx(0.225)
    expected = [0.225, 0.45, 0, 0.675]
    assert gradcam.plus_from_gradient(activations, gradient).ravel().tolist() == pytest.approx(expected)


def test_grad_cam_plus_plus_agrees_with_tf_keras_vis(base, network, images):
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.scores import CategoricalScore

    x = base.output
    for name in ("flatten", "dense", vgg.SCORES):
        x = network.get_layer(name)(x)
    theirs = GradcamPlusPlus(keras.Model(base.input, x), clone=False)(
        CategoricalScore(CLASSES.tolist()),
        images.astype("float32") / 255,
        penultimate_layer=vgg.LAST_CONVOLUTION,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    parts = vgg.part(network, until=vgg.LAST_CONVOLUTION), vgg.part(network, vgg.LAST_CONVOLUTION, vgg.SCORES)
    _, (activations, gradient) = gradients.backward(*parts)(images, CLASSES)
    # The library brings each channel's alphas to a sum of 1, which the paper's equations don't, and keeps exp(score).
    alphas = gradcam.plus_alphas(activations, gradient)
    sums = alphas.sum(axis=(1, 2), keepdims=True)
    alphas = alphas / np.where(sums == 0, 1, sums)
    scores = vgg.part(network, until=vgg.SCORES).predict_on_batch(images)[np.arange(3), CLASSES]
    ours = gradcam.weighted_sum(activations, gradcam.plus_weights(gradient, alphas)) * np.exp(scores)[:, None, None]
    assert ours.max() > 0
    assert difference(ours, np.asarray(theirs)) < 0.01


def test_one_backward_pass_serves_several_layers(network, images):
    parts = vgg.part(network, until=vgg.LAST_CONVOLUTION), vgg.part(network, vgg.LAST_CONVOLUTION, vgg.SCORES)
    (pixels, outer), (activations, inner) = gradients.backward(*parts)(images, CLASSES)
    assert np.array_equal(pixels, images)
    assert np.allclose(outer, gradients.score_gradient(vgg.part(network, until=vgg.SCORES), images, CLASSES), atol=1e-9)
    assert np.allclose(inner, gradients.score_gradient(parts[1], activations, CLASSES), atol=1e-9)


def test_all_maps_are_the_single_ones_whatever_the_batch(network, images):
    found = maps.explain(network, images, CLASSES, batch_size=2, seed=5)
    assert list(found) == list(maps.METHODS)
    assert {method: values.shape for method, values in found.items()} == {
        "saliency": (3, 64, 64),
        "smoothgrad": (3, 64, 64),
        "integrated_gradients": (3, 64, 64),
        "gradcam": (3, 4, 4),
        "gradcam_plus_plus": (3, 4, 4),
    }
    assert all(values.dtype == np.float32 and values.min() >= 0 for values in found.values())
    for method, single in (("saliency", saliency.saliency), ("gradcam", gradcam.gradcam)):
        expected = single(network, images, CLASSES, batch_size=3)
        assert np.allclose(found[method], expected, atol=1e-5 * expected.max())
    again = maps.explain(network, images, CLASSES, batch_size=3, seed=5)
    for method, values in found.items():
        assert np.allclose(values, again[method], atol=1e-4 * values.max()), method


def test_resizing_is_bilinear():
    small = np.array([[[0.0, 4.0]]])
    assert maps.resize(small, (1, 4)).tolist() == [[[0, 1, 3, 4]]]
    assert maps.resize(small, (1, 2)).tolist() == small.tolist()
