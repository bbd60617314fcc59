"""Both maps, worked out by hand and against an independent library."""

import keras
import numpy as np
import pytest

from kidneyct import devices, gradcam, gradients, saliency, vgg


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


def test_saliency_agrees_with_tf_keras_vis(network, images):
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    scores = vgg.part(network, until=vgg.SCORES)
    theirs = Saliency(scores, clone=False)(
        CategoricalScore(CLASSES.tolist()), images.astype("float32"), keepdims=False, normalize_map=False
    )
    ours = saliency.saliency(network, images, CLASSES, batch_size=2)
    assert np.abs(ours - theirs).max() < 1e-3 * ours.max()


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
    assert np.abs(ours - np.asarray(theirs)).max() < 1e-3 * ours.max()


def test_a_gradient_matches_finite_differences(network, images):
    scores = vgg.part(network, until=vgg.SCORES)
    pixels = images[:1].astype("float32")
    direction = np.random.default_rng(2).normal(size=pixels.shape).astype("float32")
    slope = float((gradients.score_gradient(scores, pixels, [1]) * direction).sum())
    step = 0.5
    ahead, behind = (scores.predict_on_batch(pixels + sign * step * direction)[0, 1] for sign in (1, -1))
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=0.05)
