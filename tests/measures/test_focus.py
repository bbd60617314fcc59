"""Focus and localisation, on maps whose right answer is known."""

import numpy as np
import pytest

from kidneyct.measures import focus


def test_gini_and_entropy_by_hand():
    single = np.array([[0.0, 0.0], [0.0, 7.0]])
    assert (focus.gini(single), focus.entropy(single)) == (0.75, 0)
    uniform = np.full((2, 2), 3.0)
    assert (focus.gini(uniform), focus.entropy(uniform)) == (0, 1)
    # Shares 0, 0, ½, ½: 1 - 2·(½·1.5/4 + ½·0.5/4) = 0.5; log 2 / log 4.
    half = np.array([[2.0, 0.0], [2.0, 0.0]])
    assert (focus.gini(half), focus.entropy(half)) == pytest.approx((0.5, 0.5))


def test_gini_is_half_the_relative_mean_difference():
    values = np.random.default_rng(0).exponential(size=(9, 9))
    pairs = np.abs(values.ravel()[:, None] - values.ravel()).mean()
    assert focus.gini(values) == pytest.approx(pairs / (2 * values.mean()))


def test_a_map_of_zeros_counts_as_uniform():
    zeros, mask = np.zeros((4, 4)), np.arange(16).reshape(4, 4) < 4
    found = focus.gini(zeros), focus.entropy(zeros), focus.energy(zeros, mask), focus.pointing(zeros, mask)
    assert found == pytest.approx((0, 1, 0.25, 0.25))


def test_the_body_is_the_largest_bright_part_with_its_gaps_and_without_the_table():
    image = np.zeros((100, 100, 3), np.uint8)
    image[10:60, 10:90] = 120
    image[20:40, 30:60] = 0  # gas inside
    image[10:60, 47:50] = 0  # dark fat from edge to edge
    image[70, :] = 90  # a thin table, nearer than the gaps that are closed
    image[85:95, 10:20] = 200  # something smaller
    expected = np.zeros((100, 100), bool)
    expected[10:60, 10:90] = True
    found = focus.body(image)
    assert not found[~expected].any()
    # The opening takes off corners, and the closing leaves a notch at the mouths of the dark fat.
    rows, columns = np.nonzero(expected & ~found)
    assert set(rows) <= {10, 59}
    assert set(columns) - set(range(46, 51)) == {10, 89}


@pytest.mark.parametrize("grey", [0, 100])  # black, or a body that fills the picture
def test_an_even_pictures_body_is_all_of_it(grey):
    assert focus.body(np.full((50, 50, 3), grey, np.uint8)).all()


def test_pointing_hits_the_lesion_and_three_percent_around_it():
    mask = np.zeros((100, 100), bool)
    mask[50, 50] = True
    for distance, hit in ((0, 1), (3, 1), (4, 0)):
        relevance = np.zeros((100, 100))
        relevance[50, 50 + distance] = 1
        assert focus.pointing(relevance, mask) == hit
    assert focus.enlarged(mask).sum() == 29  # whole-numbered points within a distance of 3


def test_a_mask_made_smaller_keeps_what_is_half_covered_or_else_the_most_covered():
    mask = np.zeros((8, 8), bool)
    mask[:4, :6] = True  # pixels of 4×4: fully, half
    assert focus.resize(mask, (2, 2)).tolist() == [[True, True], [False, False]]
    mask[:, 5] = False  # a quarter
    assert focus.resize(mask, (2, 2)).tolist() == [[True, False], [False, False]]
    speck = np.zeros((8, 8), bool)
    speck[6, 1] = True
    assert focus.resize(speck, (2, 2)).tolist() == [[False, False], [True, False]]
    assert not focus.resize(np.zeros((8, 8), bool), (2, 2)).any()
