"""Localisation, on maps whose right answer is known."""

import numpy as np

from kidneyct.measures import localization


def test_pointing_hits_the_lesion_and_three_percent_around_it():
    mask = np.zeros((100, 100), bool)
    mask[50, 50] = True
    for distance, hit in ((0, 1), (3, 1), (4, 0)):
        relevance = np.zeros((100, 100))
        relevance[50, 50 + distance] = 1
        assert localization.pointing(relevance, mask) == hit
    assert localization.enlarged(mask).sum() == 29  # whole-numbered points within a distance of 3


def test_a_mask_made_smaller_keeps_what_is_half_covered_or_else_the_most_covered():
    mask = np.zeros((8, 8), bool)
    mask[:4, :6] = True  # pixels of 4×4: fully, half
    assert localization.resize(mask, (2, 2)).tolist() == [[True, True], [False, False]]
    mask[:, 5] = False  # a quarter
    assert localization.resize(mask, (2, 2)).tolist() == [[True, False], [False, False]]
    speck = np.zeros((8, 8), bool)
    speck[6, 1] = True
    assert localization.resize(speck, (2, 2)).tolist() == [[False, False], [True, False]]
    assert not localization.resize(np.zeros((8, 8), bool), (2, 2)).any()


def test_a_map_of_zeros_hits_by_chance():
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    assert localization.pointing(np.zeros((4, 4)), mask) == 0.25
