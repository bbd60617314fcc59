"""Probabilities for images whose features nobody keeps, computed as the study computes its own images'."""

import keras
import numpy as np

from kidneyct.backbone import features, forward, vgg
from kidneyct.classifier import batches
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError


def predict(network, images, rows, frozen_blocks, batch_size):
    """Class probabilities (len(rows), classes) of some rows of images (n, s, s, 3) uint8, a batch in memory at a time.

    Where the study keeps the frozen blocks' output at 16 bits, it is brought to 16 bits here too: the same picture
    has the same probabilities, whether it is one of the study's or not. InputError where one is no number.
    """
    if features.cached(images.shape[1], frozen_blocks):
        boundary = vgg.boundary(frozen_blocks)
        frozen = forward.function(vgg.part(network, until=boundary))
        rest = vgg.part(network, after=boundary)
        found = []
        for start in progress.shown(range(0, len(rows), batch_size), what="external", unit="batch"):
            outputs = frozen(images[rows[start : start + batch_size]])
            with np.errstate(over="ignore"):  # told below
                kept = outputs.astype(np.float16).astype("float32")
            found.append(keras.ops.convert_to_numpy(rest.predict_on_batch(kept)))
        probabilities = np.concatenate(found)
    else:
        probabilities = batches.predict(network, images, rows, batch_size)
    undecided = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if undecided:
        raise InputError(
            f"the model gives no probabilities for {undecided} of {len(rows)} external images; lower "
            "train.learning_rate, or look at the pictures of data.external"
        )
    return probabilities
