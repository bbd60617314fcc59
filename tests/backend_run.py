"""What the stages compute, from initial weights to maps, on a few small images; as a program, on either backend.

`python tests/backend_run.py FILE` writes the arrays to a .npz. It computes as on a GPU: all by Keras, nothing by ncnn.
With two such files it prints how far apart they are.
"""

import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
from tiny import TINY

from kidneyct.backbone import devices, features, interpolation, vgg, weights
from kidneyct.classifier import batches, classifier
from kidneyct.files import checkpoint
from kidneyct.maps import explainer
from kidneyct.training import training

SIDE, CLASSES, BLOCKS, SCALING, BATCH = 32, 3, 4, "caffe", 5


def pretend(setattr):
    setattr(devices, "gpus", lambda: ["as if there were one"])
    setattr(features, "cached", lambda *given: True)  # pictures so small take less room than their features


def compute():
    """Name -> array, of noise of three brightnesses, one a class."""
    codes = np.arange(15) % CLASSES
    noise = np.random.default_rng(0).integers(0, 128, (15, SIDE, SIDE, 3))
    pixels = (noise + 60 * codes[:, None, None, None]).astype(np.uint8)
    devices.prepare(seed=3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "initial.weights.h5")
        weights.initial("none", "control", 3, SCALING).save_weights(path)
        base = vgg.initialised(path, SIDE)
        found = {f"initial block{number}": base.get_layer(f"block{number}_conv1").get_weights()[0] for number in (1, 5)}
        path = Path(folder, "features.npy")
        features.compute(
            base, pixels, SCALING, BLOCKS, path, Path(folder, "pooled.npy"), checkpoint.Checkpoint(folder, "features")
        )
        found["features"] = np.load(path)

    network = classifier.network(base, 16, CLASSES, SCALING, "features", seed=3)
    model = vgg.part(network, after=vgg.boundary(BLOCKS))
    classifier.adapt(model, found["features"], range(10))
    found["normalized"] = batches.predict(model, found["features"], range(15), BATCH)

    network = classifier.network(base, 16, CLASSES, SCALING, seed=3)
    found["initial dense"] = network.get_layer("dense").get_weights()[0]
    classifier.freeze(network, BLOCKS)
    model = vgg.part(network, after=vgg.boundary(BLOCKS))
    settings = SimpleNamespace(**TINY["train"] | {"epochs": 3, "batch_size": BATCH, "patience": 2})
    history = training.fit(model, found["features"], codes, (range(10), range(10, 15)), settings, 1e-5, seed=3)
    found["trained block5"] = network.get_layer("block5_conv3").get_weights()[0]
    found["trained dense"] = network.get_layer("dense").get_weights()[0]
    found["probabilities"] = batches.predict(model, found["features"], range(15), BATCH)

    found |= explainer.explainer(network, batch_size=2)(pixels[-2:], codes[-2:], seed=3, samples=2, steps=2)
    found["resized"] = interpolation.resize(found["gradcam"], (SIDE, SIDE))
    return found | {"history": history.to_numpy()}


def differences(expected, found):
    """Name -> greatest difference of two arrays, as a share of the greatest value."""
    return {
        name: float(np.abs(found[name] - array).max() / np.abs(array).max())
        for name, array in expected.items()
        if name not in ("backend", "loaded")
    }


if __name__ == "__main__" and len(sys.argv) == 3:
    for name, share in differences(*(dict(np.load(path)) for path in sys.argv[1:])).items():
        print(f"{name}: {share:.1g}")
elif __name__ == "__main__":
    pretend(setattr)
    arrays = compute()
    np.savez(sys.argv[1], backend=keras.backend.backend(), loaded="tensorflow" in sys.modules, **arrays)
