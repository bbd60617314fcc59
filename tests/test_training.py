"""Features, the frozen boundary and training."""

import keras
import numpy as np
import pytest

from kidneyct.network import devices, features, training, vgg
from kidneyct.errors import InputError


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    devices.prepare(seed=0)
    return vgg.network(vgg.base(64), 8, 4, "unit", seed=0)


def settings(**changes):
    return {"epochs": 3, "batch_size": 4, "learning_rate": 0.01, "patience": 5} | changes


def test_the_papers_network_has_its_layers():
    network = vgg.network(vgg.base(200), 1024, 4, "unit", seed=0)
    # VGG-16's base has 14,714,688 weights; the head 6·6·512·1024 + 1024 and 1024·4 + 4.
    assert network.count_params() == 14_714_688 + 18_875_392 + 4_100
    assert network.get_layer("flatten").output.shape[1:] == (18432,)


def test_caffe_scaling_is_keras_own(pixels):
    expected = keras.applications.vgg16.preprocess_input(pixels.astype("float32").copy())
    scaled = vgg.PixelScaling("caffe")(pixels)
    assert np.allclose(keras.ops.convert_to_numpy(scaled), expected, atol=1e-4)
    assert float(keras.ops.max(vgg.PixelScaling("unit")(pixels))) <= 1


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_the_two_parts_make_the_whole(network, pixels, blocks):
    whole = network.predict_on_batch(pixels)
    until = vgg.part(network, until=vgg.boundary(blocks)).predict_on_batch(pixels)
    assert until.shape[1:] == features.shape(64, blocks)
    parts = vgg.part(network, after=vgg.boundary(blocks)).predict_on_batch(until)
    assert np.allclose(parts, whole, atol=1e-6)


@pytest.mark.parametrize(("blocks", "trained"), [(5, 4), (4, 10), (0, 30)])
def test_frozen_blocks_do_not_train(blocks, trained):
    network = vgg.network(vgg.base(32), 8, 4, "unit", seed=0)
    vgg.freeze(network, blocks)
    assert len(network.trainable_weights) == trained  # a kernel and a bias a layer


def test_what_is_cached_takes_no_more_room_than_the_images():
    # At 200 pixels the images take 120,000 bytes, block 4's output 12·12·512·2 = 147,456, block 5's 36,864.
    assert [features.cached(200, blocks) for blocks in range(6)] == [False] * 5 + [True]


def test_16_bits_lose_nothing_that_matters(tmp_path, pixels):
    """A random start's features, which are tiny, against 32 bits."""
    devices.prepare(seed=0)
    base = vgg.base(64)
    features.compute(base, pixels, "unit", 5, tmp_path / "f.npy")
    kept = np.load(tmp_path / "f.npy", mmap_mode="r")
    exact = vgg.frozen_part(base, "unit", 5).predict_on_batch(pixels)
    assert kept.dtype == np.float16
    assert 1e-5 < exact.mean() < 1e-2
    # Half a step of float16: 2^-11 of a value, or 2^-25 below 2^-14.
    assert np.all(np.abs(kept - exact) <= np.maximum(np.abs(exact) * 2.0**-11, 2.0**-25) * 1.01)
    assert np.sqrt(np.mean((kept - exact) ** 2)) < 1e-3 * exact.std()


def test_features_that_16_bits_cannot_hold_are_an_error(tmp_path, pixels):
    for factor, line in ((50, "don't fit 16 bits"), (1e-3, "nothing to learn from")):
        base = vgg.base(64)
        for layer in base.layers:
            layer.set_weights([weight * factor for weight in layer.get_weights()])
        with pytest.raises(InputError, match=line):
            features.compute(base, pixels, "unit", 5, tmp_path / "f.npy")


def blobs():
    """Two classes that a line separates, 40 rows of 3 features."""
    generator = np.random.default_rng(0)
    codes = np.arange(40) % 2
    return (generator.normal(size=(40, 3)) + 4 * codes[:, None]).astype(np.float16), codes


def softmax_model():
    return vgg.chain((3,), [keras.layers.Dense(2, activation="softmax")], "line")


def test_a_head_learns_what_a_line_separates_and_repeats_it():
    inputs, codes = blobs()
    histories, weights = [], []
    for _ in range(2):
        devices.prepare(seed=1)
        model = softmax_model()
        histories.append(
            training.fit(
                model, inputs, codes, range(30), range(30, 40), **settings(epochs=40, learning_rate=0.1), seed=1
            )
        )
        weights.append(model.get_weights())
    assert histories[0].equals(histories[1])
    assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True))
    assert list(histories[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    predicted = training.predict(model, inputs, [0, 1, 38, 39], batch_size=3)
    assert predicted.shape == (4, 2)
    assert predicted.argmax(axis=1).tolist() == [0, 1, 0, 1]


def test_the_epoch_with_the_lowest_validation_loss_is_kept():
    inputs, codes = blobs()
    devices.prepare(seed=1)
    model = softmax_model()
    # Swapped validation labels: the loss there rises as the model learns.
    swapped = np.concatenate([codes[:30], 1 - codes[30:]])
    history = training.fit(
        model, inputs, swapped, range(30), range(30, 40), **settings(epochs=20, patience=3, learning_rate=0.1), seed=1
    )
    best = history["val_loss"].idxmin()
    assert len(history) == best + 1 + 3
    rows = np.arange(30, 40)
    kept = -np.log(training.predict(model, inputs, rows, 10)[np.arange(10), swapped[rows]]).mean()
    assert kept == pytest.approx(history["val_loss"][best], abs=1e-5)


def test_a_diverging_run_says_what_to_change():
    inputs, codes = blobs()
    inputs = np.where(inputs > 5, np.inf, inputs).astype("float32")
    with pytest.raises(InputError, match=r"lower train\.learning_rate"):
        training.fit(softmax_model(), inputs, codes, range(30), range(30, 40), **settings(), seed=1)


def test_batches_shuffle_by_seed_and_epoch_and_serve_every_row():
    inputs = np.arange(10)[:, None]
    batches = training.Batches(inputs, range(10), 4, np.zeros(10, int), 2, seed=3)
    orders = []
    for _ in range(2):
        served = np.concatenate([batches[number][0].ravel() for number in range(len(batches))])
        assert sorted(served.tolist()) == list(range(10))
        orders.append(served.tolist())
        batches.on_epoch_end()
    assert orders[0] != orders[1]
    again = training.Batches(inputs, range(10), 4, np.zeros(10, int), 2, seed=3)
    assert again[0][0].ravel().tolist() == orders[0][:4]


def test_a_long_run_on_a_cpu_is_announced(capsys, monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: [])
    clock = iter([0.0, 2.0, 0.0, 2.0])
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(clock))
    assert devices.warn_if_long("train", lambda: None, steps=900) == 1800
    assert capsys.readouterr().out == ""
    assert devices.warn_if_long("train", lambda: None, steps=3600) == 7200
    assert capsys.readouterr().out.startswith("train: about 2.0 hours on this CPU")
