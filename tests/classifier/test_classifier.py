"""The whole network: its layers, what trains, and what training left."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from layers import one_line

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import classifier, normalization
from kidneyct.pipeline.errors import InputError


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


def test_averages_of_the_channels_in_their_place(pixels):
    network = classifier.network(vgg.base(64), 8, 4, "unit", head="average", seed=0)
    assert network.get_layer("dense").kernel.shape == (512, 8)
    features = vgg.part(network, until="block5_pool").predict_on_batch(pixels)
    averages = vgg.part(network, until="average").predict_on_batch(pixels)
    assert averages == pytest.approx(features.mean(axis=(1, 2)), rel=1e-4)


@pytest.mark.parametrize(("blocks", "trained"), [(5, 4), (4, 10), (0, 30)])
def test_frozen_blocks_do_not_train(blocks, trained):
    network = classifier.network(vgg.base(32), 8, 4, "unit", seed=0)
    classifier.freeze(network, blocks)
    assert len(network.trainable_weights) == trained  # a kernel and a bias a layer


def test_a_trained_network_is_the_one_that_was_saved(network, pixels, tmp_path):
    network.save_weights(tmp_path / "model.weights.h5")
    again = classifier.trained(tmp_path / "model.weights.h5", 64, 8, 4, "unit")
    assert np.array_equal(again.predict_on_batch(pixels), network.predict_on_batch(pixels))


@pytest.mark.parametrize(("normalize", "head"), [("none", "flatten"), ("features", "flatten"), ("features", "average")])
def test_a_network_is_filled_with_the_arrays_of_another(normalize, head, pixels):
    network = classifier.network(vgg.base(64), 8, 4, "caffe", normalize, head, seed=1)
    if normalize == "features":
        normalization.adapt(network, pixels, np.arange(6))
    arrays = classifier.arrays(network)
    assert classifier.shapes(vgg.base(64), 8, 4, normalize, head) == {name: each.shape for name, each in arrays.items()}
    assert {each.dtype for each in arrays.values()} == {np.dtype("float32")}
    assert ("normalization/mean" in arrays) == (normalize == "features")
    again = classifier.filled(vgg.base(64), arrays, 8, 4, "caffe", normalize, head)
    assert np.array_equal(again.predict_on_batch(pixels), network.predict_on_batch(pixels))


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        ("layers/dense/vars/0", np.ones((2, 2)), "layer dense expected shapes [(2048, 8), (8,)], found [(2, 2), (8,)]"),
        ("layers/dense_1/vars/1", np.full(4, np.nan), "layer scores expected finite numbers"),
        ("layers/conv2d_2/vars", h5py.ExternalLink("other.h5", "/"), "layer block2_conv1 expected with shapes"),
        ("layers/conv2d", None, "layer block1_conv1 expected with shapes"),
    ],
)
def test_a_model_that_training_did_not_leave(network, tmp_path, place, value, line):
    path = tmp_path / "model.weights.h5"
    network.save_weights(path)
    with h5py.File(path, "a") as file:
        del file[place]
        if value is not None:
            file[place] = value
    with pytest.raises(InputError) as error:
        classifier.trained(path, 64, 8, 4, "unit")
    assert f"{path}: {line}" in one_line(error)
    assert one_line(error).endswith("; run dvc repro for a new one")


def test_a_head_beyond_the_memory_is_refused_before_it_is_built(monkeypatch):
    with pytest.raises(InputError, match=r"model\.dense_units: 100000000 units on 2048 features") as error:
        classifier.network(vgg.base(64), 10**8, 4, "unit", seed=0)
    one_line(error)
    # 2048 features, 1024 units, three numbers of four bytes each: 24 MiB.
    for memory, refused in ((24 * 2**20, False), (24 * 2**20 - 1, True)):
        found = SimpleNamespace(total=memory)
        monkeypatch.setattr(classifier.psutil, "virtual_memory", lambda found=found: found)
        if refused:
            with pytest.raises(InputError, match=r"lower model\.dense_units or preprocess.image_size"):
                classifier.network(vgg.base(64), 1024, 4, "unit", seed=0)
        else:
            classifier.network(vgg.base(64), 1024, 4, "unit", seed=0)
