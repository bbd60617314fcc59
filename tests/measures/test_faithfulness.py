"""Insertion, deletion and ROAD on pictures and predictors whose right answer is known."""

import numpy as np
import pytest
from scipy import ndimage

from kidneyct.measures import faithfulness


def test_ranking_puts_the_largest_first_and_shuffles_ties():
    relevance = np.array([[0.0, 3.0], [5.0, 1.0]])
    assert faithfulness.order(relevance, seed=0).tolist() == [2, 1, 3, 0]
    ties = faithfulness.order(np.zeros((10, 10)), seed=0)
    assert sorted(ties) == list(range(100))
    assert abs(np.corrcoef(ties, np.arange(100))[0, 1]) < 0.3
    assert ties.tolist() == faithfulness.order(np.zeros((10, 10)), seed=0).tolist()


def test_replacing_takes_the_first_pixels_in_order():
    image, other = np.full((2, 2, 3), 9, np.uint8), np.zeros((2, 2, 3))
    pictures = faithfulness.replaced(image, other, np.array([3, 0, 1, 2]), (0.25, 0.5))
    assert pictures[..., 0].tolist() == [[[9, 9], [9, 0]], [[0, 9], [9, 0]]]
    assert image.min() == 9


SIZE = 20
BRIGHT = np.full((SIZE, SIZE, 3), 200, np.uint8)


def brightness_of(pixels):
    """Class 0's probability is the brightness of some pixels (h, w) bool, against 200."""

    def predict(pictures):
        found = pictures[:, pixels].mean(axis=(1, 2)) / 200
        return np.stack([found, 1 - found], axis=1)

    return predict


def test_deletion_by_hand_for_a_predictor_that_sees_a_tenth_of_the_picture():
    seen = np.zeros((SIZE, SIZE), bool)
    seen[:2] = True  # a tenth, the first share read
    maps = {"right": seen.astype(float), "wrong": 1 - seen}
    found = faithfulness.measure(brightness_of(seen), BRIGHT, 0, maps, seed=0)["deletion"]
    # Right: 1, then 0 from a tenth on: 0.1 / 2. Wrong: 1 to 0.6, then down to 0 at 1: 0.6 + 0.4 / 2.
    assert found["right"] == pytest.approx(0.05)
    assert found["wrong"] == pytest.approx(0.8)
    assert 0.05 < found[faithfulness.RANDOM] < 0.8
    other = faithfulness.measure(brightness_of(seen), BRIGHT, 1, maps, seed=0)["deletion"]
    assert other["right"] == pytest.approx(0.95)  # the other class mirrors it


def test_insertion_by_hand_for_a_predictor_that_sees_one_bright_dot():
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[10, 10] = 200
    dot = np.zeros((SIZE, SIZE), bool)
    dot[10, 10] = True
    found = faithfulness.measure(brightness_of(dot), image, 0, {"right": dot.astype(float), "wrong": 1 - dot}, seed=0)
    left = faithfulness.blurred(image)[10, 10, 0] / 200  # a Gaussian's centre with standard deviation 1
    assert left == pytest.approx(1 / (2 * np.pi), rel=0.02)
    # Right: from what the blur left to 1 at a tenth, then 1. Wrong: what the blur left to 0.6, then up to 1.
    assert found["insertion"]["right"] == pytest.approx(0.1 * (left + 1) / 2 + 0.9)
    assert found["insertion"]["wrong"] == pytest.approx(0.6 * left + 0.4 * (left + 1) / 2)


def test_the_best_order_of_a_linear_model_beats_every_other():
    """The class's score is a weighted sum of the pixels: weight times pixel ranks them best."""
    generator = np.random.default_rng(0)
    image = generator.integers(1, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    weights = generator.exponential(size=(SIZE, SIZE, 3))
    whole = (weights * image).sum()

    def predict(pictures):
        return (weights * pictures).sum(axis=(1, 2, 3))[:, None] / whole

    best = (weights * image).sum(axis=-1)
    maps = {"best": best, "worst": -best, "weights": weights.sum(axis=-1), "noise": generator.random((SIZE, SIZE))}
    found = faithfulness.measure(predict, image, 0, maps, seed=0)["deletion"]
    assert min(found, key=found.get) == "best"
    assert max(found, key=found.get) == "worst"


def test_random_maps_are_smooth_distinct_and_of_no_sign():
    maps = faithfulness.random_maps(40, (64, 64), seed=0)
    assert np.array_equal(maps, faithfulness.random_maps(40, (64, 64), seed=0))
    assert abs(np.mean([np.corrcoef(one[:, :-1].ravel(), one[:, 1:].ravel())[0, 1] for one in maps])) > 0.95
    assert abs(np.mean([np.corrcoef(maps[0].ravel(), one.ravel())[0, 1] for one in maps[1:]])) < 0.05
    assert abs(maps.mean()) < 0.1 * maps.std()


def test_road_is_high_for_the_right_map_its_negative_for_the_wrong_one_and_nil_on_average():
    """A bright spot on a dark picture; the class's probability is the spot's brightness."""
    down, right = np.mgrid[:SIZE, :SIZE]
    spot = (down - 10) ** 2 + (right - 10) ** 2 <= 9
    image = np.where(spot[..., None], 200, 0).astype(np.uint8).repeat(3, axis=-1)
    relevance = ndimage.gaussian_filter(spot.astype(float), 2)
    random = {f"random {number}": one for number, one in enumerate(faithfulness.random_maps(30, (SIZE, SIZE), seed=1))}
    maps = {"right": relevance, "wrong": -relevance} | random
    found = faithfulness.measure(brightness_of(spot), image, 0, maps, seed=0)["road"]
    # Without its surroundings and itself the spot is gone: (1 - 0) / 2. The noise is cut off at 0.
    assert found["right"] == pytest.approx(0.5, abs=0.01)
    assert found["wrong"] == pytest.approx(-0.5, abs=0.01)
    chance = np.array([found[name] for name in random])
    assert abs(chance.mean()) < 3 * chance.std() / np.sqrt(len(chance))
    assert found[faithfulness.RANDOM] == 0
