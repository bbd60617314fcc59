"""Rows of a memory-mapped array in batches, and a model run over them."""

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Rows of a memory-mapped array in batches, as they are stored; only a batch at a time is in memory.

    `inputs` is (n, ...), `codes` (n,) int or None, `rows` the row numbers to serve, `weights` (n,) what each counts in
    the loss. With a seed their order is drawn anew for each epoch, from the seed and the epoch alone; `epoch` are those
    that went before.
    """

    def __init__(self, inputs, rows, batch_size, codes=None, classes=None, seed=None, epoch=0, weights=None):
        super().__init__()
        self.inputs, self.rows, self.batch_size = inputs, np.asarray(rows), batch_size
        self.targets = None if codes is None else keras.utils.to_categorical(codes, classes)  # (n, classes)
        self.seed, self.epoch, self.weights = seed, epoch, weights
        self._order()

    def _order(self):
        self.order = self.rows
        if self.seed is not None:
            self.order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows)

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, number):
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        batch = self.inputs[rows]  # which the model casts, on its device: fewer bytes go there
        beside = [of_all[rows] for of_all in (self.targets, self.weights) if of_all is not None]
        return (batch, *beside)

    def on_epoch_end(self):
        self.epoch += 1
        self._order()


def predict(model, inputs, rows, batch_size):
    """A model's output for some rows of `inputs` (n, ...), (len(rows), ...) float32, batch by batch."""
    batches = Batches(inputs, rows, batch_size)
    outputs = [model.predict_on_batch(batches[number][0]) for number in range(len(batches))]
    return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])
