"""Insertion, deletion and ROAD on pictures and predictors whose right answer is known; imputation by hand."""

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


def dense_imputation(grey, removed):
    """The same equations, a pixel at a time, as a dense system over the whole picture."""
    height, width = grey.shape
    matrix, right = np.eye(grey.size), grey.astype(float).ravel()
    for row, column in np.argwhere(removed):
        here = row * width + column
        matrix[here], right[here] = 0, 0
        for near in range(max(row - 1, 0), min(row + 2, height)):
            for across in range(max(column - 1, 0), min(column + 2, width)):
                if (near, across) != (row, column):
                    weight = 1 / 6 if near == row or across == column else 1 / 12
                    matrix[here, near * width + across] -= weight
                    matrix[here, here] += weight
    return np.linalg.solve(matrix, right).reshape(height, width)


def test_imputation_agrees_with_a_dense_solution():
    generator = np.random.default_rng(1)
    image = generator.integers(0, 256, (12, 10, 3), np.uint8)
    removed = generator.random((12, 10)) < 0.6  # at the edges and corners too
    filled = faithfulness.impute(image, removed, noise=0, seed=0)
    for channel in range(3):
        assert np.allclose(filled[..., channel], dense_imputation(image[..., channel], removed), atol=1e-3)
    assert np.array_equal(filled[~removed], image[~removed])


def test_a_linear_picture_is_restored_exactly():
    down, right = np.mgrid[:20, :20]
    image = np.repeat((3.0 * down + 5 * right + 10)[..., None], 3, axis=-1)
    removed = np.zeros((20, 20), bool)
    removed[4:15, 3:18] = True
    assert np.allclose(faithfulness.impute(image, removed, noise=0, seed=0), image, atol=1e-3)
    noisy = faithfulness.impute(image, removed, noise=2, seed=0) - image
    assert noisy[removed].std() == pytest.approx(2, rel=0.1)
    assert np.abs(noisy[~removed]).max() < 1e-3
