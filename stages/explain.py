"""Map what a role's model looks at: in test images that both models get right, and in its worst mistakes."""

import numpy as np

from stages import atomic_write, by_role, run

from kidneyct.backbone import devices, forward
from kidneyct.classifier import classifier
from kidneyct.files import arrays, index
from kidneyct.maps import explainer, selection
from kidneyct.pipeline import params

BATCH_SIZE = 8


def main(role):
    p = params.load(f"explain@{role}")
    classes = p.data.classes
    table = index.read("data/split.csv")
    images = arrays.images("data/images.npy", len(table))
    predictions = by_role(index.read, "plots/{}/predictions.csv")
    index.test_rows(table, {f"plots/{each}/predictions.csv": of_role for each, of_role in predictions.items()})
    devices.prepare(seed=0)
    head = (p.model.dense_units, len(classes), p.model.pixel_scaling, p.model.normalize, p.model.head)
    network = classifier.trained(f"models/{role}/model.weights.h5", images.shape[1], *head)

    right = selection.rightly(table, predictions.values())
    chosen = selection.choose(table, classes, p.explain.images_per_class, preferred=right)
    mistakes = selection.mistakes(table, predictions[role], p.explain.mistakes)
    rows = np.concatenate([chosen, mistakes]).astype(int)
    pixels = images[rows]
    run = forward.whole(network)
    devices.warn_if_long(
        f"maps of the {role}",
        lambda: run(pixels[:BATCH_SIZE]),
        explainer.passes() * len(rows) / BATCH_SIZE,
    )
    explained = selection.predicted(table, predictions[role], classes, rows)
    maps = explainer.explainer(network, batch_size=BATCH_SIZE)(pixels, explained, p.seed)
    mistaken = np.arange(len(rows)) >= len(chosen)
    with atomic_write(f"data/maps/{role}.npz") as partial:
        np.savez_compressed(partial, rows=rows, mistake=mistaken, **maps)


if __name__ == "__main__":
    run(main)
