"""Draw what a role's model looks at: maps of test images that both models get right, and of its worst mistakes."""

from pathlib import Path

import numpy as np

from stages import run

from kidneyct import params
from kidneyct.data import split
from kidneyct.maps import explainer
from kidneyct.network import devices, training, vgg
from kidneyct.page import figures

BATCH_SIZE = 8
ROLES = ("candidate", "control")


def main(role):
    p = params.load("explain")
    classes = p.data.classes
    table = split.read("data/split.csv")
    images = np.load("data/images.npy", mmap_mode="r")
    devices.prepare(seed=0)
    network = vgg.network(vgg.base(images.shape[1]), p.model.dense_units, len(classes), p.model.pixel_scaling, seed=0)
    network.load_weights(f"models/{role}/model.weights.h5")

    predictions = {of: split.read(f"plots/{of}/predictions.csv") for of in ROLES}
    right = split.rightly(table, predictions.values())
    examples = split.examples(table, classes, p.explain.images_per_class, preferred=right)
    mistakes = split.mistakes(table, predictions[role], classes, p.explain.mistakes)
    rows = np.concatenate([examples, mistakes]).astype(int)
    pixels = images[rows]
    probabilities = training.predict(network, images, rows, BATCH_SIZE)
    predicted = probabilities.argmax(axis=1)
    devices.warn_if_long(
        f"maps of the {role}",
        lambda: network.predict_on_batch(pixels[:BATCH_SIZE]),
        maps.PASSES * len(rows) / BATCH_SIZE,
    )
    found = maps.explain(network, pixels, predicted, BATCH_SIZE, p.seed)
    path = Path("data/maps") / f"{role}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        rows=rows,
        mistake=np.arange(len(rows)) >= len(examples),
        predicted=predicted,
        probability=probabilities.max(axis=1),
        **found,
    )

    plots, drawn = Path("plots") / role, np.load(path)
    plots.mkdir(parents=True, exist_ok=True)
    explained = figures.explained(table, classes, images, drawn)
    figures.explanations(plots / "explanations.png", explained, title=f"Model of the {role}")
    wrong = figures.explained(table, classes, images, drawn, mistakes=True)
    none = "none among the test images" if p.explain.mistakes else "none asked for (explain.mistakes: 0)"
    figures.explanations(plots / "mistakes.png", wrong, title=f"Most confident mistakes of the {role}", none=none)


if __name__ == "__main__":
    run(main)
