"""Whether an image looks like the training images."""

import numpy as np
import pytest

from kidneyct.leakage import ood_score


def pictures(number, count):
    """Smooth random thumbnails (count, 25, 25): all share a body, those of a series are nearly one picture."""
    body = np.random.default_rng(0).integers(0, 200, (5, 5))
    own = np.random.default_rng(number + 1).integers(0, 56, (5, 5))
    noise = np.random.default_rng(number).integers(-6, 7, (count, 25, 25))
    return np.clip(np.kron(body + own, np.ones((5, 5), int)) + noise, 0, 255).astype("uint8")


def test_another_kind_of_picture_is_unlike_the_training_images():
    training, numbers = np.concatenate([pictures(number, 4) for number in range(4)]), np.repeat(range(4), 4)
    limit = ood_score.threshold(training, numbers)
    alike = pictures(2, 3)
    assert (ood_score.likeness(alike, training) > 0.99).all()
    assert (ood_score.likeness(255 - alike, training) < limit).all()


def test_the_threshold_compares_each_series_with_the_others():
    """Three images by hand: 0 and 1 share a picture across series, 2 is another series' negative of it."""
    picture = np.arange(625, dtype="uint8").reshape(25, 25) % 200
    training = np.stack([picture, picture, 255 - picture])
    assert ood_score.threshold(training, np.array([0, 1, 2])) == pytest.approx(-1 + 2 * 0.02, abs=1e-5)
    assert ood_score.threshold(training, np.array([4, 4, 4])) == -1
