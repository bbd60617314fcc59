"""Series by approximate search, against every pair."""

import numpy as np
import pytest
from PIL import Image
from thumbnails import pictures

from kidneyct.images import decoding
from kidneyct.pipeline.errors import InputError
from kidneyct.series import inference, neighbours
from kidneyct.sources import phantom

UNIQUE = [f"{number}" for number in range(600)]


def test_without_faiss_it_is_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(InputError, match=r"^series\.approximate_above: .* found none; pip install .*, or raise it$"):
        neighbours.infer(pictures(0, 1), UNIQUE[:2], 0.99)


@pytest.fixture
def faiss():
    return pytest.importorskip("faiss")


def test_every_cell_searched_is_every_pair_compared(faiss):
    """cos 2° = 0.9994: chains of turns below 2° are series; with hashes that join some of them."""
    angles = np.random.default_rng(0).uniform(0, 360, 600)
    hashes = [f"{number % 590}" for number in range(600)]
    thumbnails, similarity = pictures(*angles), np.cos(np.radians(2))
    expected = inference.infer(thumbnails, hashes, similarity)
    assert 3 < expected.max() < 500
    found = neighbours.infer(thumbnails, hashes, similarity, probes=99)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(neighbours.infer(thumbnails, hashes, similarity, probes=99), found)


def test_fewer_cells_link_nothing_that_is_not_alike(faiss):
    angles = np.random.default_rng(1).uniform(0, 360, 600)
    thumbnails, similarity = pictures(*angles), np.cos(np.radians(2))
    index = neighbours.build(thumbnails, probes=1)
    assert index.nlist == 9
    links = neighbours.links(index, thumbnails, 0, 600, similarity)
    labels = inference.infer(thumbnails, UNIQUE, similarity)
    assert 0 < len(links) < 600
    np.testing.assert_array_equal(labels[links[:, 0]], labels[links[:, 1]])


def test_a_thumbnail_of_one_grey_is_like_no_other(faiss):
    flat = np.full((3, 25, 25), 7, np.uint8)
    assert neighbours.infer(flat, ["a", "a", "b"], 0.5).tolist() == [0, 0, 1]


def test_phantom_patients_are_the_same_series(faiss):
    patients = [(label, number) for label in phantom.CLASSES for number in (1, 2)]
    slices = [one.image for patient in patients for one in phantom.patient(*patient, 3, seed=0)]
    thumbnails = np.stack([decoding.thumbnail(Image.fromarray(picture)) for picture in slices])
    expected = np.repeat(np.arange(8), 3).tolist()
    assert inference.infer(thumbnails, UNIQUE[:24], 0.99).tolist() == expected
    assert neighbours.infer(thumbnails, UNIQUE[:24], 0.99).tolist() == expected
