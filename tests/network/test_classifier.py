"""The whole network: its layers, what trains, and what training left."""

import numpy as np
import pytest

from kidneyct.network import classifier, devices, vgg


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    devices.prepare(seed=0)
    return classifier.network(vgg.base(64), 8, 4, "unit", seed=0)


def test_the_papers_network_has_its_layers():
    network = classifier.network(vgg.base(200), 1024, 4, "unit", seed=0)
    # VGG-16's base has 14,714,688 weights; the head 6·6·512·1024 + 1024 and 1024·4 + 4.
    assert network.count_params() == 14_714_688 + 18_875_392 + 4_100
    assert network.get_layer("flatten").output.shape[1:] == (18432,)


@pytest.mark.parametrize(("blocks", "trained"), [(5, 4), (4, 10), (0, 30)])
def test_frozen_blocks_do_not_train(blocks, trained):
    network = classifier.network(vgg.base(32), 8, 4, "unit", seed=0)
    classifier.freeze(network, blocks)
    assert len(network.trainable_weights) == trained  # a kernel and a bias a layer


def test_a_trained_network_is_the_one_that_was_saved(network, pixels, tmp_path):
    network.save_weights(tmp_path / "model.weights.h5")
    again = classifier.trained(tmp_path / "model.weights.h5", 64, 8, 4, "unit")
    assert np.array_equal(again.predict_on_batch(pixels), network.predict_on_batch(pixels))
