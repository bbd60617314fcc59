"""Series from thumbnails and names, worked out by hand."""

import numpy as np
import pytest
from thumbnails import pictures

from kidneyct.series import inference

UNIQUE = [f"{number}" for number in range(99)]


def test_correlations_are_those_of_an_independent_reference():
    thumbnails = np.random.default_rng(0).integers(0, 256, (7, 25, 25), np.uint8)
    found = inference.correlations(thumbnails[:4], thumbnails[4:])
    np.testing.assert_allclose(found, np.corrcoef(thumbnails.reshape(7, -1))[:4, 4:], rtol=0, atol=1e-15)


def test_correlations_are_the_same_bytes_in_whatever_order_they_are_added():
    generator = np.random.default_rng(0)
    thumbnails = generator.integers(0, 256, (60, 25, 25), np.uint8)
    moved = thumbnails.reshape(60, 625)[:, generator.permutation(625)].reshape(60, 25, 25)
    assert np.array_equal(inference.correlations(thumbnails, thumbnails), inference.correlations(moved, moved))


def test_a_chain_is_one_series():
    # cos 20° = 0.940 links neighbours; cos 40° = 0.766 does not link the ends.
    assert inference.infer(pictures(0, 20, 40), UNIQUE[:3], 0.93).tolist() == [0, 0, 0]
    assert inference.infer(pictures(0, 40), UNIQUE[:2], 0.93).tolist() == [0, 1]
    assert inference.infer(pictures(0, 20, 40), UNIQUE[:3], 0.95).tolist() == [0, 1, 2]


def test_series_are_numbered_by_appearance_and_identical_files_are_one():
    assert inference.infer(pictures(90, 0, 92, 1, 180), UNIQUE[:5], 0.99).tolist() == [0, 1, 0, 1, 2]
    assert inference.infer(pictures(0, 90, 180, 91), ["a", "b", "a", "c"], 0.99).tolist() == [0, 1, 0, 1]


def test_a_thumbnail_of_one_grey_is_like_no_other():
    flat = np.full((3, 25, 25), 7, np.uint8)
    assert inference.infer(flat, ["a", "a", "b"], 0.5).tolist() == [0, 0, 1]
    position, correlation = inference.nearest(flat[:1], pictures(0, 90))
    assert (position.tolist(), correlation.tolist()) == ([0], [0])


def test_more_components_than_the_root_of_32_bits_are_merged():
    labels = inference.merge(np.arange(50_000), np.array([0]), np.array([49_999]))
    labels = inference.merge(labels, np.array([0, 49_997]), np.array([1, 49_998]))
    expected = np.arange(50_000)
    expected[[1, 49_999]], expected[49_998] = 0, 49_997
    np.testing.assert_array_equal(inference.by_appearance(labels), inference.by_appearance(expected))


@pytest.mark.parametrize("block", [1, 7])
def test_blocks_change_nothing(block):
    """Nor do several thresholds at once."""
    thumbnails = pictures(*np.random.default_rng(1).uniform(0, 360, 40))
    hashes, similarities = [f"{number % 35}" for number in range(40)], [0.9, 0.995, 0.99999]
    expected = [inference.infer(thumbnails, hashes, similarity) for similarity in similarities]
    assert len({each.max() for each in expected}) == 3
    np.testing.assert_array_equal(inference.infer(thumbnails, hashes, similarities, block), expected)
    whole, parts = (inference.nearest(thumbnails[:9], thumbnails[9:], **size) for size in ({}, {"block": block}))
    np.testing.assert_array_equal(parts, whole)


def test_the_nearest_is_the_first_of_equals():
    position, correlation = inference.nearest(pictures(10, 100), pictures(0, 90, 8, 8))
    assert position.tolist() == [2, 1]
    np.testing.assert_allclose(correlation, np.cos(np.radians([2, 10])), atol=1e-3)


def test_the_nearest_apart_from_coarser_and_coarser_series():
    angles = [0, 1, 10, 50, 100]
    partitions = [[0, 1, 2, 3, 4], [0, 0, 1, 2, 3], [0, 0, 0, 2, 3]]
    position, correlation = inference.nearest(pictures(*angles), pictures(*angles), (partitions, partitions))
    assert position.tolist() == [[1, 0, 1, 2, 3], [2, 2, 1, 2, 3], [3, 3, 3, 2, 3]]
    np.testing.assert_allclose(correlation[:, 0], np.cos(np.radians([1, 10, 50])), atol=1e-3)


def test_neighbours_are_of_one_group_above_a_threshold_of_their_own():
    # cos 20° = 0.940, cos 40° = 0.766 and cos 60° = 0.5 between those that follow each other in number.
    thumbnails, names = pictures(0, 60, 20, 120), ["a/s 1.png", "a/s 3.png", "a/s 2.png", "a/s 10.png"]
    hashes = UNIQUE[:4]
    assert inference.grouped(thumbnails, hashes, names, 0.7).tolist() == [0, 0, 0, 1]
    assert inference.grouped(thumbnails, hashes, names, 0.9).tolist() == [0, 1, 0, 2]
    assert len(set(inference.grouped(thumbnails, hashes, names, inference.NO_NEIGHBOURS))) == 4
    twice = inference.grouped(thumbnails, ["x", "b", "c", "x"], names, inference.NO_NEIGHBOURS).tolist()
    assert (twice[0] == twice[3], len(set(twice))) == (True, 3)
    apart = ["a/s 1.png", "b/s 2.png", "b/t 3.png", "b/t.png"]  # another class, another name, no number
    assert len(set(inference.grouped(pictures(0, 0, 0, 0), hashes, apart, 0.7))) == 4


def test_numbers_are_compared_as_numbers():
    given = ["b 10.png", "b 9.png", "a 2 (1).png", "a 10 (1).png", "b.png", "b 09 x.png"]
    found = [given[row] for row in inference.order(given)]
    assert found == ["a 2 (1).png", "a 10 (1).png", "b 09 x.png", "b 9.png", "b 10.png", "b.png"]


def test_neighbours_differ_in_the_last_number_alone():
    given = ["Cyst/Cyst- (10).jpg", "Cyst/Cyst- (9).jpg", "Cyst/Cyst- (12).jpg", "Stone/Cyst- (13).jpg"]
    given += ["Cyst/p1 s2.png", "Cyst/p2 s3.png", "Cyst/p2 s4.jpg", "Cyst/plain.png", "Cyst/plainer.png"]
    assert inference.neighbours(given).tolist() == [[1, 0], [0, 2], [5, 6]]
    assert inference.neighbours([]).tolist() == []
