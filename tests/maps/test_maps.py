"""All kinds of maps: worked out by hand, and of a network against an independent library."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import devices, gradients, interpolation, vgg
from kidneyct.classifier import classifier
from kidneyct.maps import explainer, methods

CLASSES = np.array([0, 2, 3])
IMAGES = np.random.default_rng(1).integers(0, 256, (3, 48, 48, 3), np.uint8)


def pixel_gradient(network):
    """The gradient of a class score in the pixels, as the explainer takes it."""
    backward = gradients.backward(vgg.part(network, until=classifier.SCORES))
    return lambda pixels, classes: backward(pixels, classes)[0][1]


def test_of_a_linear_model():
    # Kernel of class 0 by pixel: (-6 -5 -4) (-3 -2 -1) (0 1 2) (3 4 5); class 1 has twice that, negated.
    scores = keras.layers.Dense(2, name=classifier.SCORES)
    network = vgg.chain((2, 2, 3), [keras.layers.Flatten(), scores, keras.layers.Softmax()], "line")
    scores.set_weights([np.arange(-6, 6).reshape(12, 1) * [[1, -2]], np.array([7, 7])])
    gradient, classes = pixel_gradient(network), np.array([0, 1])
    weights = np.arange(-6, 6).reshape(2, 2, 3)
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    expected = [[[6, 3], [2, 5]], [[12, 6], [4, 10]]]
    assert methods.saliency(gradient(images, classes)).tolist() == expected
    assert methods.smoothgrad(gradient, images, classes, batch_size=2, seed=0, samples=3).tolist() == expected
    found = methods.attributions(gradient, images, classes, 4, steps=3)
    assert np.allclose(found, [weights * images[0], -2 * weights * images[1]], rtol=1e-6)


def test_noise_depends_on_seed_and_position_alone():
    first = methods.noise((64, 64, 3), 4, 25.5, seed=1, position=5)
    assert np.array_equal(first, methods.noise((64, 64, 3), 4, 25.5, seed=1, position=5))
    assert first.std() == pytest.approx(25.5, rel=0.01)
    for other in ((2, 5), (1, 6)):
        assert abs(np.corrcoef(first.ravel(), methods.noise((64, 64, 3), 4, 25.5, *other).ravel())[0, 1]) < 0.02


def test_integrated_gradients_sum_to_the_score_less_the_black_pictures():
    """A ReLU of 3·p - 30 where the pixel p is 40: the rule's points below p = 10 give nothing."""

    def gradient(pixels, classes):
        return np.where(pixels > 10, 6, 0)  # the score is twice the ReLU

    found = methods.attributions(gradient, np.full((1, 1, 1, 1), 40, np.uint8), np.array([0]), 8, steps=8)
    # Points 2.5, 7.5, 12.5 … 37.5: six of eight have slope 6, so 6 · 6/8 · 40 = 180 = 2·(3·40 - 30) - 0.
    assert found.item() == 180


def test_integrated_gradients_are_complete_on_a_small_relu_network():
    generator = np.random.default_rng(4)
    dense = [keras.layers.Dense(12, activation="relu"), keras.layers.Dense(3, name=classifier.SCORES)]
    network = vgg.chain((4, 4, 3), [vgg.PixelScaling("caffe"), keras.layers.Flatten(), *dense], "small")
    for layer in dense:
        layer.set_weights([generator.normal(size=weight.shape) for weight in layer.weights])
    pictures, classes = generator.integers(0, 256, (2, 4, 4, 3), np.uint8), np.array([0, 2])
    found = methods.attributions(pixel_gradient(network), pictures, classes, 100, steps=1000)
    gained = network.predict_on_batch(pictures) - network.predict_on_batch(np.zeros_like(pictures))
    assert np.allclose(found.sum(axis=(1, 2, 3)), gained[np.arange(2), classes], rtol=0.01)


def test_grad_cam_by_hand():
    gradient = np.array([[[[1.0, -2.0], [3.0, 0.0]], [[5.0, -2.0], [-1.0, 0.0]]]])
    activations = np.array([[[[1.0, 0.0], [0.0, 3.0]], [[2.0, 1.0], [1.0, 2.0]]]])
    # Weights (1 + 3 + 5 - 1) / 4 = 2 and (-2 + 0 - 2 + 0) / 4 = -1.
    # 2·1 - 0 = 2, 0 - 3 = -3, 4 - 1 = 3, 2 - 2 = 0; the negative one becomes 0.
    assert methods.gradcam(activations, gradient).tolist() == [[[2.0, 0.0], [3.0, 0.0]]]


def test_grad_cam_of_a_network_worked_out_by_hand():
    """A 1×1 convolution with kernels (1, -1, 0) and (0, 1, 0), ReLU; score 0 = 4·ΣA0 - 8·ΣA1."""
    convolution = keras.layers.Conv2D(2, 1, use_bias=False, activation="relu", name=vgg.LAST_CONVOLUTION)
    scores = keras.layers.Dense(2, use_bias=False, name=classifier.SCORES)
    layers = [convolution, keras.layers.Flatten(), scores, keras.layers.Softmax()]
    network = vgg.chain((2, 2, 3), layers, "tiny")
    convolution.set_weights([np.array([[1, 0], [-1, 1], [0, 0]], "float32").reshape(1, 1, 3, 2)])
    scores.set_weights([np.tile(np.array([[4, 0], [-8, 1]], "float32"), (4, 1))])
    image = np.zeros((1, 2, 2, 3), "float32")
    image[0, 0, 0], image[0, 0, 1], image[0, 1, 0] = (5, 0, 9), (5, 2, 9), (0, 3, 9)
    explain = explainer.explainer(network, ("gradcam",), batch_size=4)
    # A0: 5, 5 - 2 = 3, 0 (from -3), 0. A1: 0, 2, 3, 0. The gradients are 4 and -8 everywhere.
    # 4·5 = 20; 4·3 - 8·2 = -4, so 0; -8·3, so 0; 0. Class 1's score is ΣA1: its map is A1.
    for code, expected in ((0, [[[20, 0], [0, 0]]]), (1, [[[0, 2], [3, 0]]])):
        assert explain(image, np.array([code]), seed=0)["gradcam"].tolist() == expected


def test_grad_cam_plus_plus_by_hand():
    """One channel of four positions: activations 1, 2, 0, 3, so ΣA = 6; gradients 1, 0, -1, 0.5."""
    activations = np.array([1.0, 2.0, 0.0, 3.0]).reshape(1, 2, 2, 1)
    gradient = np.array([1.0, 0.0, -1.0, 0.5]).reshape(1, 2, 2, 1)
    # g² / (2 g² + 6 g³): 1 / 8; none; 1 / (2 - 6); 0.25 / (0.5 + 0.75).
    assert methods.plus_alphas(activations, gradient).ravel().tolist() == pytest.approx([0.125, 0, -0.25, 0.2])
    # 0.125·1 + 0.2·0.5 = 0.225; the negative gradient adds nothing.
    expected = [0.225, 0.45, 0, 0.675]
    assert methods.gradcam_plus_plus(activations, gradient).ravel().tolist() == pytest.approx(expected)


def test_resizing_is_bilinear():
    small = np.array([[[0.0, 4.0]]])
    assert interpolation.resize(small, (1, 4)).tolist() == [[[0, 1, 3, 4]]]
    assert interpolation.resize(small, (1, 2)).tolist() == small.tolist()


@pytest.fixture(scope="module")
def base():
    devices.prepare(seed=0)
    return vgg.base(48)


FEW = {"samples": 2, "steps": 3}


@pytest.fixture(scope="module")
def network(base):
    return classifier.network(base, 16, 4, "unit", seed=0)


@pytest.fixture(scope="module")
def found(network):
    return explainer.explainer(network, batch_size=2)(IMAGES, CLASSES, seed=5, **FEW)


def difference(ours, theirs):
    """Relative to our size, over all pixels: one ReLU near zero that rounds the other way moves a few of them."""
    return np.linalg.norm(ours - np.asarray(theirs)) / np.linalg.norm(ours)


def test_saliency_and_smoothgrad_agree_with_tf_keras_vis_on_the_same_noise(network, found, monkeypatch):
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    map_of = Saliency(vgg.part(network, until=classifier.SCORES), clone=False)
    given = CategoricalScore(CLASSES.tolist()), IMAGES.astype("float32")
    options = {"keepdims": False, "normalize_map": False}
    assert difference(found["saliency"], map_of(*given, **options)) < 0.01
    noises = np.stack([methods.noise((48, 48, 3), 2, 25.5, 3, position) for position in range(3)], axis=1)
    monkeypatch.setattr(np.random, "normal", lambda *args: noises)
    theirs = map_of(*given, smooth_samples=2, smooth_noise=0.1, **options)
    monkeypatch.undo()
    ours = methods.smoothgrad(pixel_gradient(network), IMAGES, CLASSES, 2, seed=3, samples=2, scale=25.5)
    assert difference(ours, theirs) < 0.01


def test_grad_cams_agree_with_tf_keras_vis(base, network, found):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.scores import CategoricalScore

    x = base.output  # the library looks for the layer in the graph where it was first called: Keras's own VGG-16
    for name in ("flatten", "dense", classifier.SCORES):
        x = network.get_layer(name)(x)
    given = CategoricalScore(CLASSES.tolist()), IMAGES.astype("float32") / 255
    options = {"penultimate_layer": vgg.LAST_CONVOLUTION, "seek_penultimate_conv_layer": False}
    options |= {"expand_cam": False, "normalize_cam": False}
    cam, plus = (
        kind(keras.Model(base.input, x), clone=False)(*given, **options) for kind in (Gradcam, GradcamPlusPlus)
    )
    assert found["gradcam"].max() > 0
    assert difference(found["gradcam"], cam) < 0.01
    parts = vgg.part(network, until=vgg.LAST_CONVOLUTION), vgg.part(network, vgg.LAST_CONVOLUTION, classifier.SCORES)
    _, (activations, gradient) = gradients.backward(*parts)(IMAGES, CLASSES)
    # The library brings each channel's alphas to a sum of 1, which the paper's equations don't, and keeps exp(score).
    alphas = methods.plus_alphas(activations, gradient)
    sums = alphas.sum(axis=(1, 2), keepdims=True)
    weights = (alphas / np.where(sums == 0, 1, sums) * np.maximum(gradient, 0)).sum(axis=(1, 2))
    scores = vgg.part(network, until=classifier.SCORES).predict_on_batch(IMAGES)[np.arange(3), CLASSES]
    ours = methods.weighted_sum(activations, weights) * np.exp(scores)[:, None, None]
    assert ours.max() > 0
    assert difference(ours, plus) < 0.01


def test_the_batch_and_the_choice_of_methods_change_no_map(network, found):
    assert tuple(found) == methods.METHODS
    assert {values.shape for values in found.values()} == {(3, 48, 48), (3, 3, 3)}
    assert all(values.dtype == np.float32 and values.min() >= 0 for values in found.values())
    explain = explainer.explainer(network, ("gradcam", "saliency"), batch_size=3)
    everything = explain(IMAGES, CLASSES, seed=5, methods=methods.METHODS, **FEW)
    for method, values in found.items():
        assert np.allclose(values, everything[method], atol=1e-4 * values.max()), method
        (alone,) = explain(IMAGES, CLASSES, seed=5, methods=(method,), **FEW).values()
        assert np.array_equal(alone, everything[method])
    assert tuple(explain(IMAGES, CLASSES, seed=5)) == ("gradcam", "saliency")
    last = explain(IMAGES[2:], CLASSES[2:], seed=5, first=2, methods=("smoothgrad",), **FEW)  # its noise is by position
    assert np.array_equal(last["smoothgrad"], everything["smoothgrad"][2:])
