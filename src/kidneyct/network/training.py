"""Training what is not frozen, and running a network over rows."""

import sys

import keras
import numpy as np
import pandas as pd

from kidneyct.network import devices
from kidneyct.errors import InputError


class Batches(keras.utils.PyDataset):
    """Rows of a memory-mapped array in batches; only a batch at a time is in memory.

    `inputs` is (n, ...), `codes` (n,) int or None, `rows` the row numbers to serve. With a seed their order
    is drawn anew for each epoch, from the seed and the epoch alone.
    """

    def __init__(self, inputs, rows, batch_size, codes=None, classes=None, seed=None):
        super().__init__()
        self.inputs, self.rows, self.batch_size = inputs, np.asarray(rows), batch_size
        self.targets = None if codes is None else keras.utils.to_categorical(codes, classes)  # (n, classes)
        self.seed, self.epoch = seed, 0
        self._order()

    def _order(self):
        self.order = self.rows
        if self.seed is not None:
            self.order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, number):
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        batch = self.inputs[rows].astype("float32")
        return (batch,) if self.targets is None else (batch, self.targets[rows])

    def on_epoch_end(self):
        self.epoch += 1
        self._order()


def fit(model, inputs, codes, train_rows, validation_rows, *, epochs, batch_size, learning_rate, patience, seed):
    """Train `model` with Adam on the categorical cross-entropy; stop early on the validation loss.

    The weights of the epoch with the lowest validation loss are restored; after `patience` epochs without a lower
    one training stops. Returns the history: epoch (from 1), loss, accuracy, val_loss, val_accuracy.
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
    return table


def predict(model, inputs, rows, batch_size):
    """Class probabilities of some rows, (len(rows), classes) float32, batch by batch."""
    batches = Batches(inputs, rows, batch_size)
    outputs = [model.predict_on_batch(batches[number][0]) for number in range(len(batches))]
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])
