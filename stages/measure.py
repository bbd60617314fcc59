"""Measure a role's maps: are they faithful, do they depend on what was learned, do they fall on the lesion?"""

import json
from pathlib import Path

import numpy as np

from stages import run

from kidneyct import params
from kidneyct.data import archive, split
from kidneyct.measures import measure, randomization
from kidneyct.network import devices, training, vgg
from kidneyct.page import figures

BATCH_SIZE = 8


def main(role):
    p = params.load("measure")
    classes = p.data.classes
    table = split.read("data/split.csv")
    images = np.load("data/images.npy", mmap_mode="r")
    devices.prepare(seed=0)
    print(f"maps of the {role}: {devices.describe('float32')}", flush=True)
    network = vgg.network(vgg.base(images.shape[1]), p.model.dense_units, len(classes), p.model.pixel_scaling, seed=0)
    network.load_weights(f"models/{role}/model.weights.h5")

    devices.warn_if_long(
        f"maps of the {role}",
        lambda: network.predict_on_batch(images[:BATCH_SIZE]),
        explanations.PASSES * p.explain.measured_images / BATCH_SIZE,
    )
    rows = split.spread(table, classes, p.explain.measured_images)
    predicted = training.predict(network, images, rows, BATCH_SIZE).argmax(axis=1)
    masks = archive.masks("data/archive.zip", table["image"][rows])
    result, cascade = explanations.measure(network, images[rows], predicted, masks, p.seed, BATCH_SIZE)
    metrics, plots = Path("metrics") / role, Path("plots") / role
    metrics.mkdir(parents=True, exist_ok=True)
    plots.mkdir(parents=True, exist_ok=True)
    (metrics / "explanations.json").write_text(json.dumps(result, indent=2) + "\n")
    cascade.to_csv(plots / "randomisation.csv", index=False, float_format="%.6f")
    chart = plots / "randomisation.png"
    figures.randomization_chart(chart, [cascade], [f"Maps of the {role}"], randomization.UNINFORMATIVE)


if __name__ == "__main__":
    run(main)
