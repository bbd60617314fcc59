"""Training what is not frozen."""

import sys

import keras
import numpy as np
import pandas as pd

from kidneyct.errors import InputError
from kidneyct.network import devices
from kidneyct.network.batches import Batches


def search(build, codes, train_rows, validation_rows, *, learning_rates, **settings):
    """Train a fresh model at each learning rate; keep the one of the lowest validation loss, the first of equals.

    `build()` gives (network, model, inputs): the whole network as if nothing had been trained before, what of it
    trains, and what that runs on; the others are `fit`'s. Returns the kept network, its history, and a table of the
    trials with a line for each rate: learning_rate, epochs, kept_epoch, val_loss, val_accuracy, stopped (0 where the
    last epoch came before the validation loss had stopped falling) and kept. A rate at which the loss is not a number
    is left out and named; InputError where that befalls all.
    """
    best, trials, failure = None, [], None
    for rate in learning_rates:
        network, model, inputs = build()
        try:
            history = fit(model, inputs, codes, train_rows, validation_rows, learning_rate=rate, **settings)
        except InputError as error:
            failure = error
            print(f"{error}; this rate is left out", flush=True)
            continue
        kept = history[history["kept"] == 1].iloc[0]
        trials.append(
            {
                "learning_rate": rate,
                "epochs": len(history),
                "kept_epoch": int(kept["epoch"]),
                "val_loss": kept["val_loss"],
                "val_accuracy": kept["val_accuracy"],
                "stopped": int(len(history) - kept["epoch"] >= settings["patience"]),
            }
        )
        if best is None or kept["val_loss"] < best[0]:
            best = kept["val_loss"], network, history, rate
    if best is None:
        raise failure
    _, network, history, rate = best
    trials = pd.DataFrame(trials)
    trials["kept"] = (trials["learning_rate"] == rate).astype(int)
    return network, history, trials


def fit(model, inputs, codes, train_rows, validation_rows, *, epochs, batch_size, learning_rate, patience, seed):
    """Train `model` with Adam on the categorical cross-entropy; stop early on the validation loss.

    The weights of the epoch with the lowest validation loss are restored; after `patience` epochs without a lower
    one training stops. Returns the history: epoch (from 1), loss, accuracy, val_loss, val_accuracy and kept, 1 for the
    epoch whose weights are kept and 0 for the others.
    """
    classes = model.output.shape[-1]
    train = Batches(inputs, train_rows, batch_size, codes, classes, seed)
    validation = Batches(inputs, validation_rows, batch_size, codes, classes)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    sample = train[0][0]
    # A training step costs about three forward passes.
    devices.warn_if_long("train", lambda: model.predict_on_batch(sample), 3 * len(train) * epochs)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
    history = model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        callbacks=[stop, keras.callbacks.TerminateOnNaN()],
        shuffle=False,
        verbose="auto" if sys.stdout.isatty() else 0,
    ).history
    if not np.all(np.isfinite(history["loss"])):
        raise InputError(
            f"train: the loss was not a number after epoch {len(history['loss'])}; lower train.learning_rate "
            f"(now {learning_rate:g}) or set train.precision to float32"
        )
    table = pd.DataFrame(history)[["loss", "accuracy", "val_loss", "val_accuracy"]]
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    table["kept"] = (table["epoch"] == stop.best_epoch + 1).astype(int)
    return table
