"""Training: what is learned, kept and repeated; what alters slices, and that nothing of it is left outside training."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tiny import TINY

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import batches, classifier
from kidneyct.files import checkpoint
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError
from kidneyct.training import training

CODES = np.arange(40) % 2
# Two classes that a line separates, 40 rows of 3 features; and validation labels swapped, so that the loss there rises.
BLOBS = (np.random.default_rng(0).normal(size=(40, 3)) + 4 * CODES[:, None]).astype(np.float16)
SWAPPED = np.concatenate([CODES[:30], 1 - CODES[30:]])


ROWS = range(30), range(30, 40)


def settings(**changes):
    return SimpleNamespace(**TINY["train"] | {"epochs": 3, "batch_size": 4, "patience": 5} | changes)


def fit(model, inputs=BLOBS, codes=CODES, learning_rate=0.1, weights=None, work=None, write=None, **changes):
    return training.fit(model, inputs, codes, ROWS, settings(**changes), learning_rate, 1, weights, work, write)


def line(layer=None):
    devices.prepare(seed=1)
    return vgg.chain((3,), [layer or keras.layers.Dense(2, activation="softmax")], "line")


def test_a_head_learns_what_a_line_separates_and_repeats_it():
    models = [line(), line()]
    first, again = (fit(model, epochs=15) for model in models)
    assert first.equals(again)
    assert all(np.array_equal(*pair) for pair in zip(*(model.get_weights() for model in models), strict=True))
    assert list(first) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "kept"]
    predicted = batches.predict(models[0], BLOBS, [0, 1, 38, 39], batch_size=3)
    assert predicted.shape == (4, 2)
    assert predicted.argmax(axis=1).tolist() == [0, 1, 0, 1]


def test_the_epoch_with_the_lowest_validation_loss_is_kept():
    model, written = line(), []
    history = fit(model, codes=SWAPPED, epochs=20, patience=3, write=written.append)
    best = history["val_loss"].idxmin()
    assert history["kept"].tolist() == [int(epoch == best) for epoch in range(len(history))]
    assert len(history) == best + 1 + 3
    for epochs, so_far in enumerate(written, 1):
        assert so_far.drop(columns="kept").equals(history.drop(columns="kept")[:epochs])
    assert so_far.equals(history)
    rows = np.arange(30, 40)
    kept = -np.log(batches.predict(model, BLOBS, rows, 10)[np.arange(10), SWAPPED[rows]]).mean()
    assert kept == pytest.approx(history["val_loss"][best], abs=1e-5)


def test_the_head_trains_alone_at_first_and_none_of_these_epochs_is_kept(monkeypatch):
    weights, end = [], training.Progress.on_epoch_end

    def watched(progress, epoch, logs):
        end(progress, epoch, logs)
        weights.append([layer.get_weights()[0] for layer in progress.model.layers[1:]])

    monkeypatch.setattr(training.Progress, "on_epoch_end", watched)
    devices.prepare(seed=1)
    layers = [keras.layers.Dense(3, name="block1"), keras.layers.Dense(2, activation="softmax")]
    model = vgg.chain((3,), layers, "two")
    weights.append([layer.get_weights()[0] for layer in layers])
    # The rate of all layers spoils what the head has learned, so the lowest loss is one of the head's.
    history = fit(model, epochs=4, learning_rate=10.0, head_epochs=3)
    assert history["val_loss"].idxmin() < 3
    assert history["kept"].tolist() == [0, 0, 0, 1]
    blocks, heads = zip(*weights, strict=True)
    assert [np.array_equal(*pair) for pair in itertools.pairwise(blocks)] == [True, True, True, False]
    assert not any(np.array_equal(*pair) for pair in itertools.pairwise(heads))


def test_the_rate_rises_to_its_height_and_falls_to_nothing_along_a_cosine():
    rate = training._scheduled(0.1, "cosine", steps=10, warmup=4)
    found = [float(rate(step)) for step in (0, 1, 4, 6, 7, 10, 12)]
    # Two of six steps down: (1 + cos 60°) / 2 = 0.75; three: a half.
    assert found == pytest.approx([0, 0.025, 0.1, 0.075, 0.05, 0, 0], abs=1e-8)
    rate = training._scheduled(0.1, "cosine", steps=10, warmup=0)
    assert [float(rate(step)) for step in (0, 5, 10)] == pytest.approx([0.1, 0.05, 0], abs=1e-8)
    assert training._scheduled(0.1, "constant", steps=10, warmup=0) == 0.1


def test_weight_decay_takes_a_share_off_each_step():
    layer = keras.layers.Dense(2, use_bias=False, activation="softmax")
    model = line(layer)
    before = layer.get_weights()[0]
    fit(model, np.zeros((40, 3), "float32"), epochs=1, optimizer="adamw", weight_decay=0.5)  # without a gradient
    assert layer.get_weights()[0] == pytest.approx(before * (1 - 0.1 * 0.5) ** 8, rel=1e-5)  # 30 rows, four a step


def test_smoothed_labels_and_weighted_rows_in_the_loss():
    """Probabilities 0.8 and 0.2 for every row, at a rate that leaves them so; a class weighs thrice the other."""
    layer = keras.layers.Dense(2, activation="softmax")
    model = line(layer)
    layer.set_weights([np.zeros((3, 2)), np.log([0.8, 0.2])])
    weights = np.where(CODES == 0, 1.5, 0.5).astype("float32")  # of mean 1
    given = {"epochs": 1, "batch_size": 40, "learning_rate": 1e-10, "label_smoothing": 0.1, "weights": weights}
    history = fit(model, np.zeros((40, 3), "float32"), **given)
    first, second = (-0.95 * np.log(own) - 0.05 * np.log(other) for own, other in ((0.8, 0.2), (0.2, 0.8)))
    for loss in ("loss", "val_loss"):
        assert history[loss][0] == pytest.approx((3 * first + second) / 4, abs=1e-6)
    assert history["accuracy"][0] == 0.5  # of images as they are


def test_a_diverging_run_says_what_to_change():
    inputs = np.where(BLOBS > 5, np.inf, BLOBS).astype("float32")
    text = r"^train: the loss was not a number in epoch 1; lower train\.learning_rate \(now 0\.1\) or set "
    with pytest.raises(InputError, match=text):
        fit(line(), inputs)
    inputs = BLOBS.copy()
    inputs[35] = np.nan  # of validation alone
    with pytest.raises(InputError, match=r"^train: the validation loss was not a number in epoch 1; "):
        fit(line(), inputs)


def test_a_log_hears_of_every_minute_and_a_full_disk_stops_nothing(monkeypatch, capsys):
    def full(_):
        raise InputError("no room")

    monkeypatch.setattr(progress, "SECONDS", 1e-9)
    assert len(fit(line(), write=full)) == 3
    # 30 rows in batches of 4 are 8, three times.
    told = [text.partition(", ")[0] for text in capsys.readouterr().err.splitlines() if text.startswith("train:")]
    assert told == [f"train: batch {number} of 24" for number in range(1, 25)]


def noisy_network(precision):
    """A network whose training draws random numbers, as dropout does."""
    devices.prepare(seed=1, precision=precision)
    layers = [
        keras.layers.Dense(8, activation="relu"),
        keras.layers.Dropout(0.5, seed=3),
        keras.layers.Dense(2, activation="softmax", dtype="float32"),
    ]
    model = vgg.chain((3,), layers, "noisy")
    return model, model, BLOBS


def convolutional_network(precision):
    """A block of convolutions and a head, with dropout; test_interrupted alters the slices too."""
    devices.prepare(seed=1, precision=precision)
    layers = [
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3, activation="relu", name="block1_conv1"),
        keras.layers.Flatten(),
        keras.layers.Dense(2, dtype="float32", name="scores"),
        keras.layers.Softmax(dtype="float32"),
    ]
    network = vgg.chain((8, 8, 3), layers, "network")
    noise = np.random.default_rng(0).integers(0, 200, (40, 8, 8, 3))
    images = (noise + 30 * CODES[:, None, None, None]).astype(np.uint8)
    return network, training.regularized(network, "none", 0.5, seed=1), images


def search(rates, work=None, precision="float32", build=noisy_network, codes=SWAPPED, weights=None, **options):
    train = settings(**{"learning_rate": rates, "patience": 3} | options)
    network, history, trials = training.search(lambda: build(precision), codes, ROWS, train, 1, weights, work)
    return [weight.tobytes() for weight in network.get_weights()], history, trials


def same(one, other):
    """Whether two searches ended alike: weights, history and trials."""
    return one[0] == other[0] and all(mine.equals(its) for mine, its in zip(one[1:], other[1:], strict=True))


@pytest.fixture
def work(tmp_path):
    return checkpoint.Checkpoint(tmp_path, "training")


def interrupt(monkeypatch, work, after, *settings, **options):
    """A search that saves after every epoch and is interrupted after some of these savings."""
    save, calls = checkpoint.Checkpoint.save, []

    def interrupted(*given, **arrays):
        save(*given, **arrays)
        calls.append(given)
        if len(calls) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "SHARE", float("inf"))
        patched.setattr(checkpoint.Checkpoint, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search(*settings, checkpoint.Checkpoint(work.folder, work.title), **options)


def test_of_several_learning_rates_the_one_of_the_lowest_validation_loss_is_kept():
    weights, history, trials = search([1e-4, 0.1], codes=CODES)
    assert trials["learning_rate"].tolist() == [1e-4, 0.1]
    assert trials["kept"].tolist() == [0, 1]
    assert trials["edge"].tolist() == ["lowest", "highest"]
    assert trials["stopped"].tolist() == [0, 0]  # both losses were still falling
    assert trials["val_loss"][1] < trials["val_loss"][0]
    assert history[history["kept"] == 1]["val_loss"].tolist() == [trials["val_loss"][1]]
    # Each starts afresh: a rate alone gives what it gave among others.
    alone, _, single = search([0.1], codes=CODES)
    assert alone == weights
    assert single["val_loss"].tolist() == [trials["val_loss"][1]]


def test_an_interruption_changes_no_bit(work, monkeypatch, capsys):
    """Interrupted while the head trains alone, and after it; with all that training can do, and what it has to keep."""
    options = {"optimizer": "adamw", "weight_decay": 0.05, "schedule": "cosine", "warmup_epochs": 1, "head_epochs": 2}
    options |= {"label_smoothing": 0.1, "weights": np.linspace(0.5, 1.5, 40, dtype="float32")}
    options |= {"build": convolutional_network, "precision": "mixed_float16", "epochs": 12}  # a loss scale that changes
    expected = search([0.03], **options)
    assert len(expected[1]) == 6  # stopped early, so that its state counts
    assert expected[2]["stopped"].tolist() == [1]
    for after in (1, 2):  # the first epoch is saved, and from the third on all; the last of a phase needs no saving
        interrupt(monkeypatch, work, after, [0.03], **options)
    capsys.readouterr()
    assert same(search([0.03], work, **options), expected)
    assert capsys.readouterr().out == "training: goes on at epoch 5 of 12, learning rate 0.03\n"


@pytest.fixture
def tried(monkeypatch):
    """Lets rates beyond 1 diverge; a list that gets each rate that is fitted."""
    fit, rates = training.fit, []

    def diverging(*given):
        rates.append(given[5])
        if rates[-1] > 1:
            raise InputError("train: the loss was not a number")
        return fit(*given)

    monkeypatch.setattr(training, "fit", diverging)
    return rates


def test_a_rate_that_diverged_is_left_out_and_not_tried_again(tried, work, monkeypatch, capsys):
    expected = search([10, 0.003])
    assert expected[2]["learning_rate"].tolist() == [0.003]
    interrupt(monkeypatch, work, 2, [10, 0.003])  # in the second rate's first epoch
    tried.clear()
    capsys.readouterr()
    assert same(search([10, 0.003], work), expected)
    assert tried == [0.003]
    assert capsys.readouterr().out.splitlines() == [
        "training: learning rate 10 was done before the interruption",
        "train: the loss was not a number; this rate is left out",
        "training: goes on at epoch 2 of 3, learning rate 0.003",
    ]


def test_where_every_rate_diverges_the_next_run_tries_them_again(tried, work):
    for _ in range(2):
        with pytest.raises(InputError, match="not a number"):
            search([10, 20], work)
    assert tried == [10, 20, 10, 20]
    assert list(work.folder.iterdir()) == []


def test_a_training_that_diverges_leaves_nothing_to_go_on_from(work, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))
    end = training.Progress.on_epoch_end

    def diverging(progress, epoch, logs):
        end(progress, epoch, logs | ({"val_loss": float("inf")} if epoch == 2 else {}))
        assert (work.folder / "training.npz").exists()

    monkeypatch.setattr(training.Progress, "on_epoch_end", diverging)
    with pytest.raises(InputError, match="the validation loss was not a number in epoch 3"):
        fit(line(), epochs=5, work=work)
    assert list(work.folder.iterdir()) == []


SIDE = 64


def altered(images, seed=3):
    """Images (n, s, s, 3) as training sees them, in 32 bits."""
    model = vgg.chain(images.shape[1:], training.augmentation(seed), "altered")
    return keras.ops.convert_to_numpy(model(images, training=True))


def test_an_altered_slice_is_drawn_from_the_seed_and_never_mirrored():
    """A bright square on the left of each image stays on the left, in the upper half, grey and of its size."""
    images = np.zeros((200, SIDE, SIDE, 3), np.uint8)
    images[:, 12:20, 12:20] = 200
    found = altered(images)
    assert np.array_equal(found, altered(images))
    assert not np.array_equal(found, altered(images, seed=4))
    assert np.ptp(found, axis=-1).max() == 0
    bright = found[..., 0] > 100
    areas = bright.sum(axis=(1, 2))
    assert 40 < areas.min() < 60  # zoomed by a tenth either way: 52 to 79, give or take an edge
    assert 68 < areas.max() < 92
    assert not bright[:, SIDE // 2 :].any()
    assert not bright[:, :, SIDE // 2 :].any()
    # By at most a twentieth of the side, and by what a turn of ten degrees and a zoom move it from (16, 16).
    rows, columns = (np.array([np.nonzero(image)[axis].mean() for image in bright]) - 15.5 for axis in (0, 1))
    assert 4 < np.abs(rows).max() < 9
    assert 4 < np.abs(columns).max() < 9
    assert np.abs(np.corrcoef(rows, columns)[0, 1]) < 0.5


def test_grey_values_are_changed_by_a_few_hundredths():
    """Flat images keep their mean contrast; brightness by up to 0.06 of 255, noise with 0.015 of it."""
    found = altered(np.full((300, SIDE, SIDE, 3), 100, np.uint8))[:, 24:40, 24:40, 0]  # what comes in is far away
    means, deviations = found.mean(axis=(1, 2)), found.std(axis=(1, 2))
    assert deviations.mean() == pytest.approx(0.015 * 255, rel=0.05)
    assert 255 * 0.06 - 2 < (means - 100).max() < 255 * 0.06 + 8
    assert (means - 100).min() < -255 * 0.06 + 2
    images = np.zeros((200, SIDE, SIDE, 3), "float32")
    images[:, ::2] = 100  # every other line, so that the mean is 50
    layer = next(layer for layer in training.augmentation(0) if isinstance(layer, keras.layers.RandomContrast))
    tops = keras.ops.convert_to_numpy(layer(images, training=True)).max(axis=(1, 2, 3))
    assert [tops.min(), tops.max()] == pytest.approx([50 + 50 * 0.85, 50 + 50 * 1.15], abs=1)


ALTERING = ["RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast", "RandomBrightness", "GreyNoise"]


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_network_that_is_kept_has_none_of_it(precision):
    devices.prepare(seed=0, precision=precision)
    network = classifier.network(vgg.base(32), 8, 4, "caffe", head="average", seed=0)
    names = [layer.name for layer in network.layers]
    model = training.regularized(network, "ct", 0.5, seed=1)
    assert [layer.name for layer in model.layers if layer in network.layers] == names[1:]
    added = [type(layer).__name__ for layer in model.layers if layer.name not in names]
    assert added == ["InputLayer", *ALTERING, "Dropout"]
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    assert np.array_equal(model.predict_on_batch(pixels), network.predict_on_batch(pixels))
    assert [layer.name for layer in network.layers] == names
    trained = keras.ops.convert_to_numpy(model(pixels, training=True))
    assert np.isfinite(trained).all()
    assert np.abs(trained - network.predict_on_batch(pixels)).max() > 1e-3
    assert training.regularized(network, "none", 0, seed=1) is network
    behind = training.regularized(vgg.part(network, after="block5_pool"), "none", 0.5, seed=1)
    assert [layer.name.split("_")[0] for layer in behind.layers[1:]] == [*names[-4:-2], "dropout", *names[-2:]]
    devices.prepare(seed=0)
