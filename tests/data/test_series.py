"""Series from thumbnails: correlations worked out by hand, and phantom patients that are known."""

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import adjusted_rand_score
from thumbnails import pictures

from kidneyct.data import images, phantom, series

UNIQUE = [f"{number}" for number in range(99)]


def test_the_product_of_standardised_rows_is_the_correlation():
    thumbnails = np.random.default_rng(0).integers(0, 256, (4, 25, 25), np.uint8)
    rows = series.standardise(thumbnails)
    np.testing.assert_allclose(rows @ rows.T, np.corrcoef(thumbnails.reshape(4, -1)), atol=1e-6)


def test_a_chain_is_one_series():
    # cos 20° = 0.940 links neighbours; cos 40° = 0.766 does not link the ends.
    assert series.infer(pictures(0, 20, 40), UNIQUE[:3], 0.93).tolist() == [0, 0, 0]
    assert series.infer(pictures(0, 40), UNIQUE[:2], 0.93).tolist() == [0, 1]
    assert series.infer(pictures(0, 20, 40), UNIQUE[:3], 0.95).tolist() == [0, 1, 2]


def test_series_are_numbered_by_appearance():
    assert series.infer(pictures(90, 0, 92, 1, 180), UNIQUE[:5], 0.99).tolist() == [0, 1, 0, 1, 2]


def test_identical_files_are_one_series_whatever_their_thumbnails():
    assert series.infer(pictures(0, 90, 180, 91), ["a", "b", "a", "c"], 0.99).tolist() == [0, 1, 0, 1]


def test_a_thumbnail_of_one_grey_is_like_no_other():
    flat = np.full((3, 25, 25), 7, np.uint8)
    assert series.infer(flat, ["a", "a", "b"], 0.5).tolist() == [0, 0, 1]
    position, correlation = series.nearest(flat[:1], pictures(0, 90))
    assert (position.tolist(), correlation.tolist()) == ([0], [0])


def test_more_components_than_the_root_of_32_bits_are_merged():
    labels = series.merge(np.arange(50_000), np.array([0]), np.array([49_999]))
    labels = series.merge(labels, np.array([0, 49_997]), np.array([1, 49_998]))
    expected = np.arange(50_000)
    expected[[1, 49_999]], expected[49_998] = 0, 49_997
    np.testing.assert_array_equal(series.by_appearance(labels), series.by_appearance(expected))


@pytest.mark.parametrize("block", [1, 3, 7, 50])
def test_blocks_change_nothing(block):
    angles = np.random.default_rng(1).uniform(0, 360, 40)
    thumbnails = pictures(*angles)
    hashes = [f"{number % 35}" for number in range(40)]
    expected = series.infer(thumbnails, hashes, 0.995)
    assert 5 < expected.max() < 39
    np.testing.assert_array_equal(series.infer(thumbnails, hashes, 0.995, block), expected)
    whole, parts = series.nearest(thumbnails[:9], thumbnails[9:]), series.nearest(thumbnails[:9], thumbnails[9:], block)
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_allclose(parts[1], whole[1], atol=1e-6)


def test_the_nearest_is_the_first_of_equals():
    position, correlation = series.nearest(pictures(10, 100), pictures(0, 90, 8, 8))
    assert position.tolist() == [2, 1]
    np.testing.assert_allclose(correlation, np.cos(np.radians([2, 10])), atol=1e-3)


def test_series_of_the_phantom_are_its_patients():
    thumbnails, patients = [], []
    for label in phantom.CLASSES:
        for number in (1, 2, 3):
            for one in phantom.patient(label, number, 4, seed=0):
                thumbnails.append(images.thumbnail(Image.fromarray(one.image).convert("RGB")))
                patients.append(f"{label} {number}")
    found = series.infer(np.array(thumbnails), UNIQUE[: len(patients)], 0.99)
    assert adjusted_rand_score(patients, found) == 1
