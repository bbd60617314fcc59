"""What training adds: slices that are altered, and dropout; nothing of it is left outside training."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier
from kidneyct.training import training

SIDE = 64


def altered(images, seed=3):
    """Images (n, s, s, 3) as training sees them, in 32 bits."""
    model = vgg.chain(images.shape[1:], training.augmentation(seed), "altered")
    return keras.ops.convert_to_numpy(model(images, training=True))


def test_an_altered_slice_is_drawn_from_the_seed_and_never_mirrored():
    """A bright square on the left of each image stays on the left, in the upper half, grey and of its size."""
    images = np.zeros((200, SIDE, SIDE, 3), np.uint8)
    images[:, 12:20, 12:20] = 200
    found = altered(images)
    assert np.array_equal(found, altered(images))
    assert not np.array_equal(found, altered(images, seed=4))
    assert np.ptp(found, axis=-1).max() == 0
    bright = found[..., 0] > 100
    areas = bright.sum(axis=(1, 2))
    assert 40 < areas.min() < 60  # zoomed by a tenth either way: 52 to 79, give or take an edge
    assert 68 < areas.max() < 92
    assert not bright[:, SIDE // 2 :].any()
    assert not bright[:, :, SIDE // 2 :].any()
    # By at most a twentieth of the side, and by what a turn of ten degrees and a zoom move it from (16, 16).
    rows, columns = (np.array([np.nonzero(image)[axis].mean() for image in bright]) - 15.5 for axis in (0, 1))
    assert 4 < np.abs(rows).max() < 9
    assert 4 < np.abs(columns).max() < 9
    assert np.abs(np.corrcoef(rows, columns)[0, 1]) < 0.5


def test_grey_values_are_changed_by_a_few_hundredths():
    """Flat images keep their mean contrast; brightness by up to 0.06 of 255, noise with 0.015 of it."""
    found = altered(np.full((300, SIDE, SIDE, 3), 100, np.uint8))[:, 24:40, 24:40, 0]  # what comes in is far away
    means, deviations = found.mean(axis=(1, 2)), found.std(axis=(1, 2))
    assert deviations.mean() == pytest.approx(0.015 * 255, rel=0.05)
    assert 255 * 0.06 - 2 < (means - 100).max() < 255 * 0.06 + 8
    assert (means - 100).min() < -255 * 0.06 + 2
    images = np.zeros((200, SIDE, SIDE, 3), "float32")
    images[:, ::2] = 100  # every other line, so that the mean is 50
    layer = next(layer for layer in training.augmentation(0) if isinstance(layer, keras.layers.RandomContrast))
    tops = keras.ops.convert_to_numpy(layer(images, training=True)).max(axis=(1, 2, 3))
    assert [tops.min(), tops.max()] == pytest.approx([50 + 50 * 0.85, 50 + 50 * 1.15], abs=1)


ALTERING = ["RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast", "RandomBrightness", "GreyNoise"]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_network_that_is_kept_has_none_of_it(precision):
    devices.prepare(seed=0, precision=precision)
    network = classifier.network(vgg.base(32), 8, 4, "caffe", head="average", seed=0)
    names = [layer.name for layer in network.layers]
    model = training.regularized(network, "ct", 0.5, seed=1)
    assert [layer.name for layer in model.layers if layer in network.layers] == names[1:]
    added = [type(layer).__name__ for layer in model.layers if layer.name not in names]
    assert added == ["InputLayer", *ALTERING, "Dropout"]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    assert np.array_equal(model.predict_on_batch(pixels), network.predict_on_batch(pixels))
    assert [layer.name for layer in network.layers] == names
    trained = keras.ops.convert_to_numpy(model(pixels, training=True))
    assert np.isfinite(trained).all()
    assert np.abs(trained - network.predict_on_batch(pixels)).max() > 1e-3
    assert training.regularized(network, "none", 0, seed=1) is network
    behind = training.regularized(vgg.part(network, after="block5_pool"), "none", 0.5, seed=1)
    assert [layer.name.split("_")[0] for layer in behind.layers[1:]] == [*names[-4:-2], "dropout", *names[-2:]]
    devices.prepare(seed=0)
