"""Run a role's model on the external test set."""

import numpy as np

from stages import atomic_write, run

from kidneyct.files import arrays, index, predictions
from kidneyct.pipeline import params

BATCH_SIZE = 32


def main(role):
    p = params.load(f"evaluate_external@{role}")
    classes = p.data.classes
    table = index.read("data/external/split.csv")
    rows = index.rows(table, "test")
    images = arrays.images("data/external/images.npy", len(table))
    head = (p.model.dense_units, len(classes), p.model.pixel_scaling, p.model.normalize, p.model.head)
    probabilities = np.empty((0, len(classes)))
    if len(rows):
        probabilities = predict(f"models/{role}/model.weights.h5", images, rows, head, p.model.frozen_blocks)
    predicted = predictions.tabulate(table, rows, classes, probabilities)
    with atomic_write(f"plots/{role}/external/predictions.csv") as partial:
        predicted.to_csv(partial, index=False, float_format="%.6f")


def predict(weights, images, rows, head, frozen_blocks):
    """Probabilities of some rows of images; TensorFlow, slow to load, is loaded only where there are images."""
    from kidneyct.backbone import devices
    from kidneyct.classifier import classifier, external

    devices.prepare(seed=0)
    network = classifier.trained(weights, images.shape[1], *head)
    return external.predict(network, images, rows, frozen_blocks, BATCH_SIZE)


if __name__ == "__main__":
    run(main)
