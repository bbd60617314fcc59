"""Train a role's classifier on the training rows, from its initial weights."""

import numpy as np

from stages import place, run

from kidneyct import index, params
from kidneyct.network import classifier, devices, features, training, vgg


def main(role):
    p = params.load("train")
    table = index.read("data/split.csv")
    images = np.load("data/images.npy", mmap_mode="r")
    image_size = images.shape[1]
    devices.prepare(p.seed, p.train.precision)
    print(f"training of the {role}: {devices.describe(p.train.precision)}", flush=True)

    base = vgg.base(image_size)
    base.load_weights(f"models/{role}/initial.weights.h5")
    network = classifier.network(base, p.model.dense_units, len(p.data.classes), p.model.pixel_scaling, p.seed)
    classifier.freeze(network, p.model.frozen_blocks)
    model, inputs = features.remainder(network, images, f"data/features/{role}.npy", p.model.frozen_blocks)
    rows = index.rows(table, "train")
    history = training.fit(
        model,
        inputs,
        index.codes(table["label"], p.data.classes),
        rows,
        index.rows(table, "validation"),
        epochs=p.train.epochs,
        batch_size=p.train.batch_size,
        learning_rate=p.train.learning_rate,
        patience=p.train.patience,
        seed=p.seed,
    )
    network.save_weights(f"models/{role}/model.weights.h5")
    history.to_csv(place(f"plots/{role}/history.csv"), index=False, float_format="%.6f")
    best = history[history["kept"] == 1].iloc[0]
    print(
        f"training of the {role}: {len(rows)} images, {len(history)} epochs, weights of epoch "
        f"{best['epoch']:.0f} kept, validation accuracy {best['val_accuracy']:.4f}"
    )


if __name__ == "__main__":
    run(main)
