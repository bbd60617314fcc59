"""A map as colours: its scale, and maps of zeros."""

import numpy as np

from kidneyct.report import heat


def test_scaling_to_the_maximum_leaves_zeros_alone():
    assert heat.to_unit(np.array([0.0, 1.0, 4.0])).tolist() == [0, 0.25, 1]
    assert heat.to_unit(np.zeros(3)).tolist() == [0, 0, 0]
    assert heat.to_unit(np.array([0.0, 1.0, 2.0, 100.0]), percentile=200 / 3).tolist() == [0, 0.5, 1, 1]


def test_a_fine_map_is_shown_by_itself():
    values = np.ones((2, 2))
    values[0, 0] = 0
    picture = heat.picture(np.full((2, 2, 3), 200, np.uint8), values)
    assert picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [0, 0, 4]  # inferno begins at 0.0015, 0.0005, 0.0139
    assert picture[1, 1].tolist() == [252, 255, 164]  # and ends at 0.9884, 0.9984, 0.6449


def test_a_coarse_map_lies_over_its_image():
    picture = heat.picture(np.full((6, 6, 3), 200, np.uint8), np.ones((2, 2)))
    # 55 % of (252.0, 254.6, 164.5) and 45 % of 200
    assert np.unique(picture.reshape(-1, 3), axis=0).tolist() == [[229, 230, 180]]


def test_the_top_is_a_fine_maps_percentile_and_a_coarse_ones_maximum():
    values = np.arange(100.0).reshape(10, 10)
    assert heat.top(values, (10, 10)) == 98.01  # 99 % of the way from 0 to 99
    assert heat.top(values, (20, 20)) == 99
