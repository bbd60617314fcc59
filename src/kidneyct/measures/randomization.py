"""Does a map depend on what was learned? Cascading randomisation of the weights (Adebayo et al. 2018)."""

import zlib

import numpy as np
import pandas as pd
from scipy import stats

from kidneyct.backbone import random_weights
from kidneyct.measures import faithfulness
from kidneyct.pipeline import progress

UNINFORMATIVE = 0.5  # rank correlation with the trained network's map, after all weights are random
TRAINED = "trained"
COLUMNS = ["method", "step", "image", "correlation", "chance"]


def blocks(network):
    """Layers that train, by block, from the scores down: scores, dense, block5 … block1 for VGG-16."""
    layers = {}
    for layer in reversed(network.layers):
        if layer.trainable_weights:
            layers.setdefault(layer.name.split("_")[0], []).append(layer)
    return layers


def randomize(layer, seed):
    """Draw a layer's weights again as Keras does by default: Glorot-uniform kernels, zero biases."""
    entropy = [seed, zlib.crc32(layer.name.encode())]
    layer.set_weights(
        [
            random_weights.glorot(tuple(weight.shape), entropy) if len(weight.shape) > 1 else np.zeros(weight.shape)
            for weight in layer.weights
        ]
    )


def correlation(trained, other):
    """Spearman's rank correlation of the magnitudes of two maps (h, w).

    NaN where the first is the same everywhere, as a Grad-CAM without evidence is, and has no order to keep; 0 where
    only the other is, whose order is lost.
    """
    if np.ptp(np.abs(trained)) == 0:
        return np.nan
    return 0.0 if np.ptp(np.abs(other)) == 0 else stats.spearmanr(np.abs(trained), np.abs(other), axis=None).statistic


def cascade(network, explain, seed):
    """Compare the maps of a network with those after its blocks are randomised, one more at each step.

    `explain()` gives the network's maps as it now is, method -> (n, h, w). Returns a table (method, step, image,
    correlation, chance), NaN for an image whose map is the same everywhere; the first step is TRAINED, the others
    are the block randomised last; chance is the trained network's map against a smooth random one. The network's
    weights are its own again afterwards.
    """
    kept = network.get_weights()
    original = explain()
    steps = {TRAINED: original}
    try:
        for step, layers in progress.bar(blocks(network).items(), what="randomisation", unit="block"):
            for layer in layers:
                randomize(layer, seed)
            steps[step] = explain()
    finally:
        network.set_weights(kept)
    rows = []
    for method, trained in original.items():
        random = faithfulness.random_maps(len(trained), trained.shape[1:], seed)
        chances = list(map(correlation, trained, random))
        for step, maps in steps.items():
            values = map(correlation, trained, maps[method])
            rows += [(method, step, *row) for row in zip(range(len(trained)), values, chances, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS)
