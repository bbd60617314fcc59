"""Rows of a memory-mapped array in batches, and a model run over them."""

import keras
import numpy as np

from kidneyct.backbone import features, forward, vgg
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError


class Batches(keras.utils.PyDataset):
    """Rows of a memory-mapped array in batches, as they are stored; only a batch at a time is in memory.

    `inputs` is (n, ...), `codes` (n,) int or None, `rows` the row numbers to serve, `weights` (n,) what each counts in
    the loss. With a seed each epoch draws their order, from the seed and the epoch alone; `epoch` are those that went
    before.
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


def predict_images(network, images, rows, frozen_blocks, batch_size):
    """Class probabilities (len(rows), classes) of images (n, s, s, 3) uint8 whose features nobody keeps.

    Where the study keeps the frozen blocks' output at 16 bits, it is brought to 16 bits here too: the same picture
    has the same probabilities, whether it is one of the study's or not. InputError where one is no number.
    """
    cached, rest, found = features.cached(images.shape[1], frozen_blocks), network, []
    if cached:
        boundary = vgg.boundary(frozen_blocks)
        frozen, rest = forward.function(vgg.part(network, until=boundary)), vgg.part(network, after=boundary)
    for start in progress.bar(range(0, len(rows), batch_size), what="external", unit="batch"):
        batch = images[rows[start : start + batch_size]]
        if cached:
            with np.errstate(over="ignore"):  # told below
                batch = frozen(batch).astype(np.float16).astype("float32")
        found.append(keras.ops.convert_to_numpy(rest.predict_on_batch(batch)))
    probabilities = np.concatenate(found)
    undecided = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if undecided:
        raise InputError(
            f"the model gives no probabilities for {undecided} of {len(rows)} external images; lower "
            "train.learning_rate, or look at the pictures of data.external"
        )
    return probabilities
