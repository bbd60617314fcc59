"""The frozen blocks' output, kept in 16 bits."""

import numpy as np
import pytest

from kidneyct.errors import InputError
from kidneyct.network import devices, features, vgg


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


def test_what_is_cached_takes_no_more_room_than_the_images():
    # At 200 pixels the images take 120,000 bytes, block 4's output 12·12·512·2 = 147,456, block 5's 36,864.
    assert [features.cached(200, blocks) for blocks in range(6)] == [False] * 5 + [True]


def test_16_bits_lose_nothing_that_matters(tmp_path, pixels):
    """A random start's features, which are tiny, against 32 bits."""
    devices.prepare(seed=0)
    base = vgg.base(64)
    features.compute(base, pixels, "unit", 5, tmp_path / "f.npy")
    kept = np.load(tmp_path / "f.npy", mmap_mode="r")
    exact = vgg.frozen_part(base, "unit", 5).predict_on_batch(pixels)
    assert kept.dtype == np.float16
    assert 1e-5 < exact.mean() < 1e-2
    # Half a step of float16: 2^-11 of a value, or 2^-25 below 2^-14.
    assert np.all(np.abs(kept - exact) <= np.maximum(np.abs(exact) * 2.0**-11, 2.0**-25) * 1.01)
    assert np.sqrt(np.mean((kept - exact) ** 2)) < 1e-3 * exact.std()


def test_features_that_16_bits_cannot_hold_are_an_error(tmp_path, pixels):
    for factor, line in ((50, "don't fit 16 bits"), (1e-3, "nothing to learn from")):
        base = vgg.base(64)
        for layer in base.layers:
            layer.set_weights([weight * factor for weight in layer.get_weights()])
        with pytest.raises(InputError, match=line):
            features.compute(base, pixels, "unit", 5, tmp_path / "f.npy")
