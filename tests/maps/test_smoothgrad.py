"""SmoothGrad, worked out by hand."""

import numpy as np
import pytest
from gradient import pixel_gradient
from lines import linear

from kidneyct.maps import smoothgrad


def test_a_linear_models_smoothgrad_is_its_weights():
    images = np.random.default_rng(0).integers(0, 256, (2, 2, 2, 3), np.uint8)
    maps = smoothgrad.smoothgrad(pixel_gradient(linear()), images, np.array([0, 1]), batch_size=2, seed=0, samples=3)
    assert maps.tolist() == [[[6, 3], [2, 5]], [[12, 6], [4, 10]]]


def test_noise_depends_on_seed_and_position_alone():
    first = smoothgrad.noise((64, 64, 3), 4, 0.1, seed=1, position=5)
    assert np.array_equal(first, smoothgrad.noise((64, 64, 3), 4, 0.1, seed=1, position=5))
    assert first.std() == pytest.approx(25.5, rel=0.01)
    for other in ((2, 5), (1, 6)):
        assert abs(np.corrcoef(first.ravel(), smoothgrad.noise((64, 64, 3), 4, 0.1, *other).ravel())[0, 1]) < 0.02
