"""ROAD's imputation, against a dense solution and by hand."""

import numpy as np
import pytest

from kidneyct.measures import road


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
    filled = road.impute(image, removed, noise=0, seed=0)
    for channel in range(3):
        assert np.allclose(filled[..., channel], dense_imputation(image[..., channel], removed), atol=1e-3)
    assert np.array_equal(filled[~removed], image[~removed])


def test_a_linear_picture_is_restored_exactly():
    down, right = np.mgrid[:20, :20]
    image = np.repeat((3.0 * down + 5 * right + 10)[..., None], 3, axis=-1)
    removed = np.zeros((20, 20), bool)
    removed[4:15, 3:18] = True
    assert np.allclose(road.impute(image, removed, noise=0, seed=0), image, atol=1e-3)
    noisy = road.impute(image, removed, noise=2, seed=0) - image
    assert noisy[removed].std() == pytest.approx(2, rel=0.1)
    assert np.abs(noisy[~removed]).max() < 1e-3


def test_what_is_removed_are_the_first_and_the_last():
    found = road.masks(np.array([2, 0, 3, 1]), (0.25, 0.75), (2, 2))
    assert found[0].tolist() == [[[False, False], [True, False]], [[True, False], [True, True]]]
    assert found[1].tolist() == [[[False, True], [False, False]], [[True, True], [False, True]]]


def test_the_combined_score_by_hand():
    # MoRF 0.4 and 0.2, LeRF 0.9 and 0.7: ((0.9 - 0.4) + (0.7 - 0.2)) / 2 / 2.
    assert road.combined(np.array([[0.4, 0.2], [0.9, 0.7]])) == pytest.approx(0.25)
