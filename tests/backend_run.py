"""What the stages compute, from initial weights to maps, on a few small images; as a program, on any backend of Keras.

`python tests/backend_run.py FILE` writes the arrays to a .npz.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np

from kidneyct import unfinished
from kidneyct.maps import explainer
from kidneyct.network import (
    batches,
    classifier,
    devices,
    features,
    forward,
    gradients,
    interpolation,
    normalization,
    training,
    vgg,
    weights,
)

SIDE, CLASSES, BLOCKS, SCALING = 32, 3, 4, "caffe"
TRAIN, VALIDATION = range(13), range(13, 21)  # batches of 5 that can't be filled


def images():
    """Noise of three brightnesses, one a class, (21, 32, 32, 3) uint8, and its classes."""
    codes = np.arange(21) % CLASSES
    noise = np.random.default_rng(0).integers(0, 128, (21, SIDE, SIDE, 3))
    return (noise + 60 * codes[:, None, None, None]).astype(np.uint8), codes


def by_keras(model):
    """What `forward.function` gives on a GPU."""
    return lambda given: keras.ops.convert_to_numpy(model.predict_on_batch(given))


def compute():
    """Name -> array. The frozen blocks are run by the backend itself, as on a GPU, and not by ncnn."""
    pixels, codes = images()
    devices.prepare(seed=3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "initial.weights.h5")
        weights.initial("none", "control", 3, SCALING).save_weights(path)
        base = vgg.initialised(path, SIDE)
        initial = {f"initial {number}": base.get_layer(f"block{number}_conv1").get_weights()[0] for number in (1, 5)}
        forward.function, by_ncnn = by_keras, forward.function
        path = Path(folder, "features.npy")
        features.compute(base, pixels, SCALING, BLOCKS, path, unfinished.Work(folder, "features"))
        frozen = np.load(path)
        forward.function = by_ncnn
    network = classifier.network(base, 8, CLASSES, SCALING, "features", seed=3)
    normalization.adapt(vgg.part(network, after=vgg.boundary(BLOCKS)), frozen, TRAIN)
    normalized = batches.predict(network, pixels, np.arange(21), 4)
    network = classifier.network(base, 8, CLASSES, SCALING, seed=3)
    initial["initial dense"] = network.get_layer("dense").get_weights()[0]
    classifier.freeze(network, BLOCKS)
    model = vgg.part(network, after=vgg.boundary(BLOCKS))
    history = training.fit(
        model, frozen, codes, TRAIN, VALIDATION, epochs=3, batch_size=5, learning_rate=1e-3, patience=2, seed=3
    )
    tested = np.arange(18, 21)
    maps = explainer.explainer(network, batch_size=2, samples=2, steps=2)(pixels[tested], codes[tested], seed=3)
    return initial | {
        "features": frozen,
        "normalized": normalized,
        "history": history.to_numpy(),
        "trained block5": network.get_layer("block5_conv3").get_weights()[0],
        "trained scores": network.get_layer("scores").get_weights()[0],
        "probabilities": batches.predict(network, pixels, np.arange(21), 4),
        "gradient": gradients.backward(vgg.part(network, until=classifier.SCORES))(pixels[tested], codes[tested])[0][1],
        **maps,
        "resized": interpolation.resize(maps["gradcam"], (SIDE, SIDE)),
    }


class Refused:
    """An import hook for which one package is not installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.package:
            raise AssertionError(f"{name} was imported")


if __name__ == "__main__":
    found = compute()
    np.savez(sys.argv[1], backend=keras.backend.backend(), tensorflow="tensorflow" in sys.modules, **found)
