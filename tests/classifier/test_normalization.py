"""The layer between base and head, from numbers worked out by hand."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier, normalization


def head():
    """Normalisation of (1, 2, 2) features, two positions of two channels, and what it gives out."""
    return vgg.chain((1, 2, 2), [normalization.layer(), keras.layers.Flatten()], "head")


FEATURES = np.array(
    [[[[1, 5], [3, 5]]], [[[5, 5], [7, 5]]], [[[100, 9], [100, 9]]]], np.float16
)  # three images; the last is no training image


def test_mean_and_variance_of_each_channel_over_the_training_rows():
    # Channel 0: 1, 3, 5, 7, mean 4, variance (9 + 1 + 1 + 9) / 4 = 5; channel 1 is 5 everywhere.
    mean, variance = normalization.moments(None, FEATURES, [0, 1])
    assert (mean.tolist(), variance.tolist()) == ([4, 5], [5, 0])


def test_the_layer_uses_them_and_a_channel_that_slept_stays_harmless():
    model = head()
    normalization.adapt(model, FEATURES, [0, 1])
    found = model.predict_on_batch(FEATURES.astype("float32"))
    root = np.sqrt(5)
    assert found[0] == pytest.approx([-3 / root, 0, -1 / root, 0], rel=1e-5)
    assert found[2] == pytest.approx([96 / root, 4, 96 / root, 4], rel=1e-5)


def test_tiny_features_keep_their_digits():
    """As a random start's: 5e-4, their variance below the steps of 16 bits."""
    features = (5e-4 + 1e-5 * np.random.default_rng(0).normal(size=(200, 1, 2, 2))).astype("float32")
    model = head()
    normalization.adapt(model, features, range(200))
    found = model.predict_on_batch(features).reshape(-1, 2)
    assert np.abs(found.mean(axis=0)).max() < 1e-3
    assert found.std(axis=0) == pytest.approx([1, 1], rel=1e-3)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)


def test_in_the_network_it_stands_between_base_and_head_and_is_saved(pixels, tmp_path):
    devices.prepare(seed=0)
    network = classifier.network(vgg.base(32), 8, 4, "unit", "features", seed=0)
    names = [layer.name for layer in network.layers]
    assert names[names.index("block5_pool") :] == [
        "block5_pool",
        "normalization",
        "flatten",
        "dense",
        "scores",
        "probabilities",
    ]
    normalization.adapt(network, pixels, range(4))
    normalized = vgg.part(network, until="normalization").predict_on_batch(pixels[:4])
    assert np.abs(normalized.mean(axis=(0, 1, 2))).max() < 1e-3
    network.save_weights(tmp_path / "model.weights.h5")
    again = classifier.trained(tmp_path / "model.weights.h5", 32, 8, 4, "unit", "features")
    assert np.array_equal(again.predict_on_batch(pixels), network.predict_on_batch(pixels))


def test_the_head_behind_cached_features_is_the_whole_networks(pixels):
    devices.prepare(seed=0)
    whole = classifier.network(vgg.base(32), 8, 4, "unit", "features", seed=0)
    features = vgg.part(whole, until="block5_pool").predict_on_batch(pixels)
    model = vgg.part(whole, after="block5_pool")
    normalization.adapt(model, features, range(4))
    from_features = np.copy(model.predict_on_batch(features))
    normalization.adapt(whole, pixels, range(4))
    assert np.allclose(whole.predict_on_batch(pixels), from_features, atol=1e-6)
