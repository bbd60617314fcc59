"""Draw what a role's model looks at: saliency map and Grad-CAM of a few test images."""

from pathlib import Path

import numpy as np

from stages import run

from kidneyct import devices, figures, gradcam, params, saliency, split, training, vgg  # isort: skip

BATCH_SIZE = 8


def main(role):
    p = params.load("explain")
    classes = p.data.classes
    table = split.read("data/split.csv")
    images = np.load("data/images.npy", mmap_mode="r")
    devices.prepare(seed=0)
    network = vgg.network(vgg.base(images.shape[1]), p.model.dense_units, len(classes), p.model.pixel_scaling, seed=0)
    network.load_weights(f"models/{role}/model.weights.h5")

    rows = split.examples(table, classes, p.explain.images_per_class)
    pixels = images[rows]
    probabilities = training.predict(network, images, rows, BATCH_SIZE)
    predicted = probabilities.argmax(axis=1)
    maps = {
        "saliency": saliency.saliency(network, pixels, predicted, BATCH_SIZE),
        "gradcam": gradcam.gradcam(network, pixels, predicted, BATCH_SIZE),
    }
    path = Path("data/maps") / f"{role}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, rows=rows, predicted=predicted, probability=probabilities.max(axis=1), **maps)

    plots = Path("plots") / role
    plots.mkdir(parents=True, exist_ok=True)
    explained = figures.explained(table, classes, images, np.load(path))
    figures.explanations(plots / "explanations.png", explained, title=f"Model of the {role}")


if __name__ == "__main__":
    run(main)
