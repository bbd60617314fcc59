"""Measure a role's model on the test rows."""

import json
from pathlib import Path

import numpy as np

from stages import run

from kidneyct import params
from kidneyct.data import split
from kidneyct.network import devices, features, training, vgg
from kidneyct.results import calibration, evaluation

BATCH_SIZE = 32


def main(role):
    p = params.load("evaluate")
    classes = p.data.classes
    table = split.read("data/split.csv")
    images = np.load("data/images.npy", mmap_mode="r")
    image_size = images.shape[1]
    devices.prepare(seed=0)
    network = vgg.network(vgg.base(image_size), p.model.dense_units, len(classes), p.model.pixel_scaling, seed=0)
    network.load_weights(f"models/{role}/model.weights.h5")
    model, inputs = features.remainder(network, images, f"data/features/{role}.npy", p.model.frozen_blocks)

    rows = split.rows(table, "test")
    probabilities = training.predict(model, inputs, rows, BATCH_SIZE)
    codes = split.codes(table, classes)[rows]
    result = evaluation.evaluate(codes, probabilities, classes) | calibration.calibrate(codes, probabilities)

    predictions = table.loc[rows, ["image", "label"]]
    predictions["predicted"] = np.array(classes)[probabilities.argmax(axis=1)]
    predictions[classes] = probabilities
    metrics, plots = Path("metrics") / role, Path("plots") / role
    metrics.mkdir(parents=True, exist_ok=True)
    plots.mkdir(parents=True, exist_ok=True)
    (metrics / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n")
    predictions.to_csv(plots / "predictions.csv", index=False, float_format="%.6f")
    confusion = predictions[["label", "predicted"]].rename(columns={"label": "actual"})
    confusion.to_csv(plots / "confusion.csv", index=False)
    print(f"{role}: test accuracy {result['accuracy']:.4f}, macro F1 {result['macro_f1']:.4f}")


if __name__ == "__main__":
    run(main)
