"""Training what is not frozen."""

import sys

import keras
import numpy as np
import pandas as pd

from kidneyct.errors import InputError
from kidneyct.network import devices
from kidneyct.network.batches import Batches


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
