"""The whole network: its pixels, its layers, its normalisation, its batches, what trains, and what training left."""

from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
from layers import one_line

from kidneyct.backbone import devices, features, vgg
from kidneyct.classifier import batches, classifier
from kidneyct.files import checkpoint
from kidneyct.pipeline.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    devices.prepare(seed=0)
    return classifier.network(vgg.base(64), 8, 4, "unit", seed=0)


@pytest.fixture(scope="module")
def averaging():
    """A network that normalises features and averages them, adapted to four images."""
    network = classifier.network(vgg.base(64), 8, 4, "caffe", "features", "average", seed=1)
    classifier.adapt(network, PIXELS, range(4))
    return network


def test_caffe_scaling_is_keras_own():
    expected = keras.applications.vgg16.preprocess_input(PIXELS.astype("float32").copy())
    assert np.allclose(vgg.PixelScaling("caffe")(PIXELS), expected, atol=1e-4)
    assert np.max(vgg.PixelScaling("unit")(PIXELS)) <= 1


@pytest.mark.parametrize("blocks", [1, 5])
def test_the_two_parts_make_the_whole(network, blocks):
    until = vgg.part(network, until=vgg.boundary(blocks)).predict_on_batch(PIXELS)
    assert until.shape[1:] == features.shape(64, blocks)
    parts = vgg.part(network, after=vgg.boundary(blocks)).predict_on_batch(until)
    assert np.allclose(parts, network.predict_on_batch(PIXELS), atol=1e-6)


def test_the_papers_network_has_its_layers():
    network = classifier.network(vgg.base(200), 1024, 4, "unit", seed=0)
    # VGG-16's base has 14,714,688 weights; the head 6·6·512·1024 + 1024 and 1024·4 + 4.
    assert network.count_params() == 14_714_688 + 18_875_392 + 4_100
    assert network.get_layer("flatten").output.shape[1:] == (18432,)


def test_normalisation_and_averages_stand_between_base_and_head(averaging):
    names = [layer.name for layer in averaging.layers]
    expected = ["block5_pool", "normalization", "average", "dense", "scores", "probabilities"]
    assert names[names.index("block5_pool") :] == expected
    normalized = vgg.part(averaging, until="normalization").predict_on_batch(PIXELS)
    assert np.abs(normalized[:4].mean(axis=(0, 1, 2))).max() < 1e-3
    averages = vgg.part(averaging, until="average").predict_on_batch(PIXELS)
    assert averages == pytest.approx(normalized.mean(axis=(1, 2)), rel=1e-4, abs=1e-5)


def test_the_head_behind_cached_features_is_adapted_as_the_whole_network_is(averaging):
    cached = vgg.part(averaging, until="block5_pool").predict_on_batch(PIXELS)
    head = vgg.part(classifier.network(vgg.base(64), 8, 4, "caffe", "features", "average", seed=1), after="block5_pool")
    classifier.adapt(head, cached, range(4))
    assert np.allclose(averaging.predict_on_batch(PIXELS), head.predict_on_batch(cached), atol=1e-6)


def test_mean_and_variance_of_each_channel_over_the_training_rows_by_hand():
    """Two positions of two channels; the third image is no training image."""
    images = np.array([[[[1, 5], [3, 5]]], [[[5, 5], [7, 5]]], [[[100, 9], [100, 9]]]], np.float16)
    # Channel 0: 1, 3, 5, 7, mean 4, variance (9 + 1 + 1 + 9) / 4 = 5; channel 1 is 5 everywhere.
    mean, variance = classifier.moments(None, images, [0, 1])
    assert (mean.tolist(), variance.tolist()) == ([4, 5], [5, 0])
    model = vgg.chain((1, 2, 2), [classifier.normalization(), keras.layers.Flatten()], "head")
    classifier.adapt(model, images, [0, 1])
    found = model.predict_on_batch(images.astype("float32"))
    root = np.sqrt(5)
    assert found[0] == pytest.approx([-3 / root, 0, -1 / root, 0], rel=1e-5)
    assert found[2] == pytest.approx([96 / root, 4, 96 / root, 4], rel=1e-5)  # a channel that slept stays harmless
    # As a random start's: 5e-4, their variance below the steps of 16 bits.
    tiny = (5e-4 + 1e-5 * np.random.default_rng(0).normal(size=(200, 1, 2, 2))).astype("float32")
    classifier.adapt(model, tiny, range(200))
    found = model.predict_on_batch(tiny).reshape(-1, 2)
    assert np.abs(found.mean(axis=0)).max() < 1e-3
    assert found.std(axis=0) == pytest.approx([1, 1], rel=1e-3)


@pytest.mark.parametrize(("blocks", "trained"), [(5, 4), (4, 10), (0, 30)])
def test_frozen_blocks_do_not_train(network, blocks, trained):
    classifier.freeze(network, blocks)
    assert len(network.trainable_weights) == trained  # a kernel and a bias a layer


def test_a_trained_network_is_the_one_that_was_saved(averaging, tmp_path):
    averaging.save_weights(tmp_path / "model.weights.h5")
    again = classifier.trained(tmp_path / "model.weights.h5", 64, 8, 4, "caffe", "features", "average")
    assert np.array_equal(again.predict_on_batch(PIXELS), averaging.predict_on_batch(PIXELS))


def test_a_network_is_filled_with_the_arrays_of_another(averaging):
    arrays = classifier.arrays(averaging)
    again = classifier.network(vgg.base(64), 8, 4, "caffe", "features", "average", seed=None)
    assert {name: each.shape for name, each in classifier.variables(again)} == {
        name: each.shape for name, each in arrays.items()
    }
    assert {each.dtype for each in arrays.values()} == {np.dtype("float32")}
    classifier.fill(again, arrays)
    assert np.array_equal(again.predict_on_batch(PIXELS), averaging.predict_on_batch(PIXELS))


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        ("layers/dense/vars/0", np.ones((2, 2)), "layer dense expected shapes [(2048, 8), (8,)], found [(2, 2), (8,)]"),
        ("layers/dense_1/vars/1", np.full(4, np.nan), "layer scores expected finite numbers"),
        ("layers/conv2d", {}, "layer block1_conv1 expected with shapes"),
    ],
)
def test_a_model_that_training_did_not_leave(network, tmp_path, place, value, line):
    path = tmp_path / "model.weights.h5"
    network.save_weights(path)
    with h5py.File(path, "a") as file:
        del file[place]
        if len(value):
            file[place] = value
    with pytest.raises(InputError) as error:
        classifier.trained(path, 64, 8, 4, "unit")
    assert f"{path}: {line}" in one_line(error)
    assert one_line(error).endswith("; run dvc repro for a new one")


def test_a_head_beyond_the_memory_is_refused_before_it_is_built(monkeypatch):
    # 2048 features, 1024 units, three numbers of four bytes each: 24 MiB.
    monkeypatch.setattr(classifier.psutil, "virtual_memory", lambda: SimpleNamespace(total=24 * 2**20))
    classifier.network(vgg.base(64), 1024, 4, "unit", seed=None)
    with pytest.raises(InputError, match=r"dense_units: 1025 units on 2048 features.*lower model\.dense_units or prep"):
        classifier.network(vgg.base(64), 1025, 4, "unit", seed=None)


def test_batches_shuffle_by_seed_and_epoch_and_serve_every_row():
    inputs = np.arange(10)[:, None]
    served = batches.Batches(inputs, range(10), 4, np.zeros(10, int), 2, seed=3)
    orders = []
    for _ in range(2):
        orders.append(np.concatenate([served[number][0].ravel() for number in range(len(served))]).tolist())
        served.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1]
    again = batches.Batches(inputs, range(10), 4, np.zeros(10, int), 2, seed=3)
    assert again[0][0].ravel().tolist() == orders[0][:4]
    weighted = batches.Batches(inputs, [7, 2], 4, np.zeros(10, int), 2, weights=np.arange(10) / 2)
    assert [part.tolist() for part in weighted[0]] == [[[7], [2]], [[1, 0], [1, 0]], [3.5, 1]]


def test_an_external_picture_has_the_same_probabilities_as_in_the_study(network, tmp_path):
    """Of which a batch at a time is in memory."""
    served, base = [], vgg.base(64)

    class Served(np.ndarray):
        def __getitem__(self, rows):
            served.append(len(rows))
            return np.asarray(self)[rows]

    for layer in base.layers[1:]:
        layer.set_weights(network.get_layer(layer.name).get_weights())
    path = tmp_path / "features.npy"
    features.compute(base, PIXELS, "unit", 5, path, tmp_path / "p.npy", checkpoint.Checkpoint(tmp_path, "features"))
    own = batches.predict(*features.remainder(network, PIXELS, path, 5), np.arange(6), batch_size=32)
    found = batches.predict_images(network, PIXELS.view(Served), np.array([5, 1, 2]), 5, batch_size=2)
    assert found == pytest.approx(own[[5, 1, 2]], abs=1e-6)
    assert served == [2, 1]


@pytest.mark.parametrize("blocks", [0, 5])
def test_without_kept_features_the_whole_network_runs_and_no_number_is_no_probability(network, blocks):
    rows, kept = np.array([3, 0, 5]), network.get_weights()
    found = batches.predict_images(network, PIXELS, rows, blocks, batch_size=2)
    assert found == pytest.approx(np.asarray(network.predict_on_batch(PIXELS[rows])), abs=1e-4)
    network.get_layer(classifier.SCORES).bias.assign([np.nan] * 4)
    with pytest.raises(InputError, match=r"^the model gives no probabilities for 3 of 3 external images; lower "):
        batches.predict_images(network, PIXELS, rows, blocks, batch_size=2)
    network.set_weights(kept)
