"""Training: what is learned, kept and repeated."""

import itertools

import keras
import numpy as np
import pytest

from kidneyct.backbone import devices, vgg
from kidneyct.classifier import batches
from kidneyct.files import checkpoint
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError
from kidneyct.training import regularization, training


def settings(**changes):
    return {"epochs": 3, "batch_size": 4, "learning_rate": 0.01, "patience": 5} | changes


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
                model, inputs, codes, range(30), range(30, 40), **settings(epochs=15, learning_rate=0.1), seed=1
            )
        )
        weights.append(model.get_weights())
    assert histories[0].equals(histories[1])
    assert all(np.array_equal(*pair) for pair in zip(*weights, strict=True))
    assert list(histories[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "kept"]
    predicted = batches.predict(model, inputs, [0, 1, 38, 39], batch_size=3)
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
    assert history["kept"].tolist() == [int(epoch == best) for epoch in range(len(history))]
    assert len(history) == best + 1 + 3
    rows = np.arange(30, 40)
    kept = -np.log(batches.predict(model, inputs, rows, 10)[np.arange(10), swapped[rows]]).mean()
    assert kept == pytest.approx(history["val_loss"][best], abs=1e-5)


def test_the_head_trains_alone_at_first_and_none_of_these_epochs_is_kept(monkeypatch):
    weights, end = [], training.Progress.on_epoch_end

    def watched(progress, epoch, logs):
        end(progress, epoch, logs)
        weights.append([layer.get_weights()[0] for layer in progress.model.layers[1:]])

    monkeypatch.setattr(training.Progress, "on_epoch_end", watched)
    inputs, codes = blobs()
    devices.prepare(seed=1)
    layers = [keras.layers.Dense(3, name="block1"), keras.layers.Dense(2, activation="softmax")]
    model = vgg.chain((3,), layers, "two")
    weights.append([layer.get_weights()[0] for layer in layers])
    # The rate of all layers spoils what the head has learned, so the lowest loss is one of the head's.
    history = training.fit(
        model, inputs, codes, range(30), range(30, 40), **settings(epochs=4, learning_rate=10.0, head_epochs=3), seed=1
    )
    assert history["val_loss"].idxmin() < 3
    assert history["kept"][:3].tolist() == [0, 0, 0]
    assert history["kept"].sum() == 1
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
    model = vgg.chain((3,), [layer], "line")
    before = layer.get_weights()[0]
    inputs, codes = np.zeros((40, 3), "float32"), blobs()[1]  # without a gradient
    decay = {"optimizer": "adamw", "weight_decay": 0.5, "learning_rate": 0.1}
    training.fit(model, inputs, codes, range(30), range(30, 40), **settings(epochs=1, **decay), seed=1)
    assert layer.get_weights()[0] == pytest.approx(before * (1 - 0.1 * 0.5) ** 8, rel=1e-5)  # 30 rows, four a step


def test_smoothed_labels_and_weighted_rows_in_the_loss():
    """Probabilities 0.8 and 0.2 for every row, at a rate that leaves them so."""
    layer = keras.layers.Dense(2, activation="softmax")
    model = vgg.chain((3,), [layer], "line")
    layer.set_weights([np.zeros((3, 2)), np.log([0.8, 0.2])])
    inputs, codes = np.zeros((40, 3), "float32"), np.array([0, 1, 1, 1] * 10)
    weights = np.where(codes == 0, 2, 2 / 3).astype("float32")  # of mean 1, the classes alike
    given = settings(epochs=1, batch_size=40, learning_rate=1e-10, label_smoothing=0.1)
    history = training.fit(model, inputs, codes, range(40), range(40), **given, weights=weights, seed=1)
    first, second = (-0.95 * np.log(own) - 0.05 * np.log(other) for own, other in ((0.8, 0.2), (0.2, 0.8)))
    for loss in ("loss", "val_loss"):
        assert history[loss][0] == pytest.approx((first + second) / 2, abs=1e-6)
    assert history["accuracy"][0] == 0.25  # of images as they are


def test_a_diverging_run_says_what_to_change():
    inputs, codes = blobs()
    inputs = np.where(inputs > 5, np.inf, inputs).astype("float32")
    line = r"^train: the loss was not a number in epoch 1; lower train\.learning_rate \(now 0\.01\) or set "
    with pytest.raises(InputError, match=line):
        training.fit(softmax_model(), inputs, codes, range(30), range(30, 40), **settings(), seed=1)
    inputs = blobs()[0]
    inputs[35] = np.nan  # of validation alone
    with pytest.raises(InputError, match=r"^train: the validation loss was not a number in epoch 1; "):
        training.fit(softmax_model(), inputs, codes, range(30), range(30, 40), **settings(), seed=1)


def test_a_log_hears_of_every_minute(monkeypatch, capsys):
    monkeypatch.setattr(progress, "SECONDS", 0)
    inputs, codes = blobs()
    training.fit(softmax_model(), inputs, codes, range(30), range(30, 40), **settings(), seed=1)
    # 30 rows in batches of 4 are 8, three times; nothing is left after the last.
    lines = capsys.readouterr().err.splitlines()
    told = [line.partition(", about ")[0] for line in lines if line.startswith("train:")]
    assert told == [f"train: batch {number} of 24" for number in range(1, 24)]


def blob_network():
    devices.prepare(seed=1)
    model = softmax_model()
    return model, model, blobs()[0]


def search(rates):
    chosen = settings(epochs=3, patience=3)
    del chosen["learning_rate"]
    return training.search(blob_network, blobs()[1], range(30), range(30, 40), learning_rates=rates, **chosen, seed=1)


def test_of_several_learning_rates_the_one_of_the_lowest_validation_loss_is_kept():
    network, history, trials = search([1e-4, 0.1])
    assert trials["learning_rate"].tolist() == [1e-4, 0.1]
    assert trials["kept"].tolist() == [0, 1]
    assert trials["edge"].tolist() == ["lowest", "highest"]
    assert trials["stopped"].tolist() == [0, 0]  # both losses were still falling
    assert trials["val_loss"][1] < trials["val_loss"][0]
    assert history[history["kept"] == 1]["val_loss"].tolist() == [trials["val_loss"][1]]
    # Each starts afresh: a rate alone gives what it gave among others.
    alone, _, single = search([0.1])
    assert all(np.array_equal(*pair) for pair in zip(network.get_weights(), alone.get_weights(), strict=True))
    assert single["val_loss"].tolist() == [trials["val_loss"][1]]


def test_a_rate_at_the_edge_of_the_list_is_marked():
    assert [training.edge(rate, [0.01, 1e-4, 0.1]) for rate in (1e-4, 0.01, 0.1)] == ["lowest", "none", "highest"]
    assert training.edge(0.01, [0.01]) == "none"


def test_a_rate_that_diverges_is_left_out_where_another_does_not(monkeypatch, capsys):
    fit = training.fit

    def diverging(*given, learning_rate, **others):
        if learning_rate > 1:
            raise InputError("train: the loss was not a number")
        return fit(*given, learning_rate=learning_rate, **others)

    monkeypatch.setattr(training, "fit", diverging)
    assert search([10, 0.1])[2]["learning_rate"].tolist() == [0.1]
    assert "the loss was not a number; this rate is left out" in capsys.readouterr().out
    with pytest.raises(InputError, match="not a number"):
        search([10, 20])


def noisy_network(precision="float32"):
    """A network whose training draws random numbers, as dropout does."""
    devices.prepare(seed=1, precision=precision)
    layers = [
        keras.layers.Dense(8, activation="relu"),
        keras.layers.Dropout(0.5, seed=3),
        keras.layers.Dense(2, activation="softmax", dtype="float32"),
    ]
    model = vgg.chain((3,), layers, "noisy")
    return model, model, blobs()[0]


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
    images = (noise + 30 * blobs()[1][:, None, None, None]).astype(np.uint8)
    return network, regularization.regularized(network, "none", 0.5, seed=1), images


def searched(work, rates, epochs=8, precision="float32", build=noisy_network, **options):
    swapped = np.concatenate([blobs()[1][:30], 1 - blobs()[1][30:]])  # the validation loss rises before long
    settings = {"epochs": epochs, "batch_size": 4, "patience": 3, "seed": 1} | options
    network, history, trials = training.search(
        lambda: build(precision),
        swapped,
        range(30),
        range(30, 40),
        learning_rates=rates,
        work=work,
        **settings,
    )
    return [weight.tobytes() for weight in network.get_weights()], history.to_csv(), trials.to_csv()


def interrupt(monkeypatch, folder, after, *settings, **options):
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
            searched(checkpoint.Checkpoint(folder, "training"), *settings, **options)


def test_an_interruption_changes_no_bit(tmp_path, monkeypatch, capsys):
    settings = [0.03], 8, "mixed_float16"  # with a loss scale that changes
    expected = searched(None, *settings)
    assert expected[1].count("\n") - 1 == 4  # stopped early, so that its state counts
    assert expected[2].splitlines()[1].split(",")[6] == "1"  # which the table of trials tells
    for after in (1, 2):
        interrupt(monkeypatch, tmp_path, after, *settings)
    capsys.readouterr()
    assert searched(checkpoint.Checkpoint(tmp_path, "training"), *settings) == expected
    assert capsys.readouterr().out == "training: goes on at epoch 4 of 8, learning rate 0.03\n"


def test_nor_where_the_head_trains_first_and_the_rate_changes(tmp_path, monkeypatch, capsys):
    """Interrupted while the head trains alone, after it, and with the first of two rates done."""
    settings = [0.003, 0.01], 5, "mixed_bfloat16"
    options = {"optimizer": "adamw", "weight_decay": 0.05, "schedule": "cosine", "warmup_epochs": 1, "head_epochs": 2}
    options |= {"label_smoothing": 0.1, "weights": np.linspace(0.5, 1.5, 40, dtype="float32")}
    options["build"] = convolutional_network
    expected = searched(None, *settings, **options)
    # A rate is saved after its first, third and fourth epoch, and at its end; the last of a phase needs no saving.
    for after in (1, 1, 2, 2):
        interrupt(monkeypatch, tmp_path, after, *settings, **options)
    capsys.readouterr()
    assert searched(checkpoint.Checkpoint(tmp_path, "training"), *settings, **options) == expected
    told = ["learning rate 0.003 was done before the interruption", "goes on at epoch 4 of 5, learning rate 0.01"]
    assert capsys.readouterr().out.splitlines() == [f"training: {line}" for line in told]


def test_a_rate_that_diverged_is_not_tried_again(tmp_path, monkeypatch, capsys):
    fit, tried = training.fit, []

    def diverging(*given, learning_rate, **others):
        tried.append(learning_rate)
        if learning_rate > 1:
            raise InputError("train: the loss was not a number")
        return fit(*given, learning_rate=learning_rate, **others)

    monkeypatch.setattr(training, "fit", diverging)
    expected = searched(None, [10, 0.003], 3)
    interrupt(monkeypatch, tmp_path, 2, [10, 0.003], 3)  # in the second rate's first epoch
    tried.clear()
    capsys.readouterr()
    assert searched(checkpoint.Checkpoint(tmp_path, "training"), [10, 0.003], 3) == expected
    assert tried == [0.003]
    lines = [
        "learning rate 10 was left out before the interruption: train: the loss was not a number",
        "goes on at epoch 2 of 3, learning rate 0.003",
    ]
    assert capsys.readouterr().out.splitlines() == [f"training: {line}" for line in lines]


def test_where_every_rate_diverges_the_next_run_tries_them_again(tmp_path, monkeypatch):
    tried = []

    def diverging(*given, learning_rate, **others):
        tried.append(learning_rate)
        raise InputError("train: the loss was not a number")

    monkeypatch.setattr(training, "fit", diverging)
    for _ in range(2):
        with pytest.raises(InputError, match="not a number"):
            searched(checkpoint.Checkpoint(tmp_path, "training"), [10, 20])
    assert tried == [10, 20, 10, 20]
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_leaves_nothing_to_go_on_from(tmp_path, monkeypatch):
    inputs, codes = blobs()
    work = checkpoint.Checkpoint(tmp_path, "training")
    monkeypatch.setattr(checkpoint, "SHARE", float("inf"))
    end = training.Progress.on_epoch_end

    def diverging(progress, epoch, logs):
        end(progress, epoch, logs | ({"val_loss": float("inf")} if epoch == 2 else {}))
        assert (tmp_path / "training.npz").exists()

    monkeypatch.setattr(training.Progress, "on_epoch_end", diverging)
    with pytest.raises(InputError, match="the validation loss was not a number in epoch 3"):
        training.fit(softmax_model(), inputs, codes, range(30), range(30, 40), **settings(epochs=5), seed=1, work=work)
    assert list(tmp_path.iterdir()) == []
