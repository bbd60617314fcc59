"""All maps of a network, against an independent library."""

import keras
import numpy as np
import pytest
from gradient import pixel_gradient

from kidneyct.backbone import devices, gradients, vgg
from kidneyct.classifier import classifier
from kidneyct.maps import explainer, gradcam, smoothgrad
from kidneyct.maps.methods import METHODS


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


def difference(ours, theirs):
    """Relative to our size, over all pixels: one ReLU near zero that rounds the other way moves a few of them."""
    return np.linalg.norm(ours - theirs) / np.linalg.norm(ours)


def test_saliency_agrees_with_tf_keras_vis(network, images):
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    scores = vgg.part(network, until=classifier.SCORES)
    theirs = Saliency(scores, clone=False)(
        CategoricalScore(CLASSES.tolist()), images.astype("float32"), keepdims=False, normalize_map=False
    )
    ours = explainer.explainer(network, ("saliency",), batch_size=2)(images, CLASSES, seed=0)["saliency"]
    assert difference(ours, theirs) < 0.01


def test_grad_cam_agrees_with_tf_keras_vis(base, network, images):
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    # The library looks for the layer in the graph where it was first called: Keras's own VGG-16.
    x = base.output
    for name in ("flatten", "dense", classifier.SCORES):
        x = network.get_layer(name)(x)
    theirs = Gradcam(keras.Model(base.input, x), clone=False)(
        CategoricalScore(CLASSES.tolist()),
        images.astype("float32") / 255,
        penultimate_layer=vgg.LAST_CONVOLUTION,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    ours = explainer.explainer(network, ("gradcam",), batch_size=2)(images, CLASSES, seed=0)["gradcam"]
    assert ours.shape == (3, 4, 4)
    assert ours.max() > 0
    assert difference(ours, np.asarray(theirs)) < 0.01


def test_smoothgrad_agrees_with_tf_keras_vis_on_the_same_noise(network, images, monkeypatch):
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    noises = np.stack([smoothgrad.noise((64, 64, 3), 2, 0.1, 3, position) for position in range(3)], axis=1)
    monkeypatch.setattr(np.random, "normal", lambda *args: noises)
    theirs = Saliency(vgg.part(network, until=classifier.SCORES), clone=False)(
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


def test_grad_cam_plus_plus_agrees_with_tf_keras_vis(base, network, images):
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.scores import CategoricalScore

    x = base.output
    for name in ("flatten", "dense", classifier.SCORES):
        x = network.get_layer(name)(x)
    theirs = GradcamPlusPlus(keras.Model(base.input, x), clone=False)(
        CategoricalScore(CLASSES.tolist()),
        images.astype("float32") / 255,
        penultimate_layer=vgg.LAST_CONVOLUTION,
        seek_penultimate_conv_layer=False,
        expand_cam=False,
        normalize_cam=False,
    )
    parts = vgg.part(network, until=vgg.LAST_CONVOLUTION), vgg.part(network, vgg.LAST_CONVOLUTION, classifier.SCORES)
    _, (activations, gradient) = gradients.backward(*parts)(images, CLASSES)
    # The library brings each channel's alphas to a sum of 1, which the paper's equations don't, and keeps exp(score).
    alphas = gradcam.plus_alphas(activations, gradient)
    sums = alphas.sum(axis=(1, 2), keepdims=True)
    alphas = alphas / np.where(sums == 0, 1, sums)
    scores = vgg.part(network, until=classifier.SCORES).predict_on_batch(images)[np.arange(3), CLASSES]
    ours = gradcam.weighted_sum(activations, gradcam.plus_weights(gradient, alphas)) * np.exp(scores)[:, None, None]
    assert ours.max() > 0
    assert difference(ours, np.asarray(theirs)) < 0.01


def test_all_maps_are_the_single_ones_whatever_the_batch(network, images):
    found = explainer.explainer(network, batch_size=2)(images, CLASSES, seed=5)
    assert list(found) == list(METHODS)
    assert {method: values.shape for method, values in found.items()} == {
        "saliency": (3, 64, 64),
        "smoothgrad": (3, 64, 64),
        "integrated_gradients": (3, 64, 64),
        "gradcam": (3, 4, 4),
        "gradcam_plus_plus": (3, 4, 4),
    }
    assert all(values.dtype == np.float32 and values.min() >= 0 for values in found.values())
    again = explainer.explainer(network, batch_size=3)(images, CLASSES, seed=5)
    for method, values in found.items():
        assert np.allclose(values, again[method], atol=1e-4 * values.max()), method


def test_a_choice_of_methods_gives_these_alone_and_the_same(images):
    network = classifier.network(vgg.base(32), 16, 4, "unit", seed=0)
    images = images[:, :32, :32]
    explain = explainer.explainer(network, batch_size=3)
    everything = explain(images, CLASSES, seed=5)
    for chosen in (("gradcam", "saliency"), ("smoothgrad",), ("integrated_gradients",)):
        made_for_them = explainer.explainer(network, chosen, batch_size=3)(images, CLASSES, seed=5)
        for maps in (made_for_them, explain(images, CLASSES, seed=5, methods=chosen)):
            assert tuple(maps) == chosen
            for method in chosen:
                assert np.array_equal(maps[method], everything[method])


def test_the_cost_follows_from_what_is_computed():
    # A pass for the first three maps, then one for each noisy copy and each point of the path.
    assert explainer.passes(samples=4, steps=6) == 11 * explainer.BACKWARD
