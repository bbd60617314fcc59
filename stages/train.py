"""Train a role's classifier on the training rows, from its initial weights."""

from pathlib import Path

import numpy as np

from stages import run

from kidneyct import params
from kidneyct.data import split
from kidneyct.network import devices, features, training, vgg


def main(role):
    p = params.load("train")
    table = split.read("data/split.csv")
    images = np.load("data/images.npy", mmap_mode="r")
    image_size = images.shape[1]
    devices.prepare(p.seed, p.train.precision)
    print(f"training of the {role}: {devices.describe(p.train.precision)}", flush=True)

    base = vgg.base(image_size)
    base.load_weights(f"models/{role}/initial.weights.h5")
    network = vgg.network(base, p.model.dense_units, len(p.data.classes), p.model.pixel_scaling, p.seed)
    vgg.freeze(network, p.model.frozen_blocks)
    model, inputs = features.remainder(network, images, f"data/features/{role}.npy", p.model.frozen_blocks)
    rows = split.rows(table, "train")
    history = training.fit(
        model,
        inputs,
        split.codes(table, p.data.classes),
        rows,
        split.rows(table, "validation"),
        epochs=p.train.epochs,
        batch_size=p.train.batch_size,
        learning_rate=p.train.learning_rate,
        patience=p.train.patience,
        seed=p.seed,
    )
    network.save_weights(f"models/{role}/model.weights.h5")
    plots = Path("plots") / role
    plots.mkdir(parents=True, exist_ok=True)
    history.to_csv(plots / "history.csv", index=False, float_format="%.6f")
    best = history.loc[history["val_loss"].idxmin()]
    print(
        f"training of the {role}: {len(rows)} images, {len(history)} epochs, weights of epoch "
        f"{best['epoch']:.0f} kept, validation accuracy {best['val_accuracy']:.4f}"
    )


if __name__ == "__main__":
    run(main)
