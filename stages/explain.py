"""Map what a role's model looks at: in test images that both models get right, and in its worst mistakes."""

import numpy as np

from stages import by_role, draft, run

from kidneyct import arrays, index, params
from kidneyct.data import examples
from kidneyct.maps import explainer
from kidneyct.network import classifier, devices, forward

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

    right = examples.rightly(table, predictions.values())
    chosen = examples.choose(table, classes, p.explain.images_per_class, preferred=right)
    mistakes = examples.mistakes(table, predictions[role], p.explain.mistakes)
    rows = np.concatenate([chosen, mistakes]).astype(int)
    pixels = images[rows]
    run = forward.whole(network)
    devices.warn_if_long(
        f"maps of the {role}",
        lambda: run(pixels[:BATCH_SIZE]),
        explainer.passes() * len(rows) / BATCH_SIZE,
    )
    explained = examples.predicted(table, predictions[role], classes, rows)
    maps = explainer.explainer(network, batch_size=BATCH_SIZE)(pixels, explained, p.seed)
    mistaken = np.arange(len(rows)) >= len(chosen)
    with draft(f"data/maps/{role}.npz") as partial:
        np.savez_compressed(partial, rows=rows, mistake=mistaken, **maps)


if __name__ == "__main__":
    run(main)
