"""All maps of a network, against an independent library."""

import keras
import numpy as np
import pytest
from gradient import pixel_gradient

from kidneyct.backbone import devices, gradients, vgg
from kidneyct.classifier import classifier
from kidneyct.maps import explainer, gradcam, saliency
from kidneyct.maps.methods import METHODS

CLASSES = np.array([0, 2, 3])
IMAGES = np.random.default_rng(1).integers(0, 256, (3, 48, 48, 3), np.uint8)


@pytest.fixture(scope="module")
def base():
    devices.prepare(seed=0)
    return vgg.base(48)


@pytest.fixture(scope="module")
def network(base):
    return classifier.network(base, 16, 4, "unit", seed=0)


@pytest.fixture(scope="module")
def found(network):
    return explainer.explainer(network, batch_size=2, samples=2, steps=3)(IMAGES, CLASSES, seed=5)


def difference(ours, theirs):
    """Relative to our size, over all pixels: one ReLU near zero that rounds the other way moves a few of them."""
    return np.linalg.norm(ours - np.asarray(theirs)) / np.linalg.norm(ours)


def their_saliency(network, **options):
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    map_of = Saliency(vgg.part(network, until=classifier.SCORES), clone=False)
    score = CategoricalScore(CLASSES.tolist())
    return map_of(score, IMAGES.astype("float32"), keepdims=False, normalize_map=False, **options)


def their_cam(kind, base, network):
    from tf_keras_vis.utils.scores import CategoricalScore

    x = base.output  # the library looks for the layer in the graph where it was first called: Keras's own VGG-16
    for name in ("flatten", "dense", classifier.SCORES):
        x = network.get_layer(name)(x)
    options = {"penultimate_layer": vgg.LAST_CONVOLUTION, "seek_penultimate_conv_layer": False}
    map_of = kind(keras.Model(base.input, x), clone=False)
    pixels = IMAGES.astype("float32") / 255
    return map_of(CategoricalScore(CLASSES.tolist()), pixels, expand_cam=False, normalize_cam=False, **options)


def test_saliency_agrees_with_tf_keras_vis(network, found):
    assert difference(found["saliency"], their_saliency(network)) < 0.01


def test_smoothgrad_agrees_with_tf_keras_vis_on_the_same_noise(network, monkeypatch):
    noises = np.stack([saliency.noise((48, 48, 3), 2, 0.1, 3, position) for position in range(3)], axis=1)
    monkeypatch.setattr(np.random, "normal", lambda *args: noises)
    theirs = their_saliency(network, smooth_samples=2, smooth_noise=0.1)
    monkeypatch.undo()
    ours = saliency.smoothgrad(pixel_gradient(network), IMAGES, CLASSES, 2, seed=3, samples=2, share=0.1)
    assert difference(ours, theirs) < 0.01


def test_grad_cam_agrees_with_tf_keras_vis(base, network, found):
    from tf_keras_vis.gradcam import Gradcam

    assert found["gradcam"].max() > 0
    assert difference(found["gradcam"], their_cam(Gradcam, base, network)) < 0.01


def test_grad_cam_plus_plus_agrees_with_tf_keras_vis(base, network):
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus

    parts = vgg.part(network, until=vgg.LAST_CONVOLUTION), vgg.part(network, vgg.LAST_CONVOLUTION, classifier.SCORES)
    _, (activations, gradient) = gradients.backward(*parts)(IMAGES, CLASSES)
    # The library brings each channel's alphas to a sum of 1, which the paper's equations don't, and keeps exp(score).
    alphas = gradcam.plus_alphas(activations, gradient)
    sums = alphas.sum(axis=(1, 2), keepdims=True)
    alphas = alphas / np.where(sums == 0, 1, sums)
    scores = vgg.part(network, until=classifier.SCORES).predict_on_batch(IMAGES)[np.arange(3), CLASSES]
    ours = gradcam.weighted_sum(activations, gradcam.plus_weights(gradient, alphas)) * np.exp(scores)[:, None, None]
    assert ours.max() > 0
    assert difference(ours, their_cam(GradcamPlusPlus, base, network)) < 0.01


def test_the_batch_and_the_choice_of_methods_change_no_map(network, found):
    assert tuple(found) == METHODS
    assert {values.shape for values in found.values()} == {(3, 48, 48), (3, 3, 3)}
    assert all(values.dtype == np.float32 and values.min() >= 0 for values in found.values())
    explain = explainer.explainer(network, ("gradcam", "saliency"), batch_size=3, samples=2, steps=3)
    everything = explain(IMAGES, CLASSES, seed=5, methods=METHODS)
    for method, values in found.items():
        assert np.allclose(values, everything[method], atol=1e-4 * values.max()), method
        (alone,) = explain(IMAGES, CLASSES, seed=5, methods=(method,)).values()
        assert np.array_equal(alone, everything[method])
    assert tuple(explain(IMAGES, CLASSES, seed=5)) == ("gradcam", "saliency")
    last = explain(IMAGES[2:], CLASSES[2:], seed=5, first=2, methods=("smoothgrad",))  # its noise is by position
    assert np.array_equal(last["smoothgrad"], everything["smoothgrad"][2:])
