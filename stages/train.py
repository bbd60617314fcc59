"""Train a role's classifier on the training rows, from its initial weights; and predict the test rows."""

import numpy as np

from stages import run

from kidneyct.backbone import devices, features, vgg
from kidneyct.classifier import batches, classifier
from kidneyct.files import arrays, checkpoint, index, predictions, tables
from kidneyct.pipeline import params
from kidneyct.probe import balance
from kidneyct.training import training

BATCH_SIZE = 32  # of the prediction


def main(role):
    stage, title = f"train@{role}", f"training of the {role}"
    p = params.load(stage)
    table = index.read("data/split.csv")
    images = arrays.images("data/images/images.npy", len(table))
    classes = p.data.classes
    codes = index.codes(table["label"], classes)
    rows, validation = (index.rows(table, part) for part in ("train", "validation"))
    weights = None
    if p.train.balance == "series":
        weights = weighted(codes, index.read_series("data/series.csv", len(table)), (rows, validation))
    cached = p.train.augment == "none" and features.cached(images.shape[1], p.model.frozen_blocks)
    device = devices.describe(p.train.precision)
    print(f"{title}: {device}", flush=True)
    if p.train.augment != "none" and p.model.frozen_blocks:
        print(f"{title}: the frozen blocks run on the fly, as train.augment alters each image every time", flush=True)

    cache, weights_file = f"data/features/{role}/features.npy", f"models/{role}/model.weights.h5"
    head = classifier.head(p.model, classes)

    def build():
        devices.prepare(p.seed, p.train.precision)
        base = vgg.initialised(f"data/features/{role}/initial.weights.h5", images.shape[1])
        network = classifier.network(base, *head, seed=p.seed)
        classifier.freeze(network, p.model.frozen_blocks)
        model, inputs = features.remainder(network, images, cache, p.model.frozen_blocks)
        if p.model.normalize == "features":
            classifier.adapt(model, inputs, rows)
        if not cached:
            model, inputs = network, images
        model = training.regularized(model, p.train.augment, p.model.dropout, p.seed)
        return network, model, inputs

    def write(history):  # also while it trains, for who looks on; of several rates the kept one's in the end
        tables.write(history, f"models/{role}/history.csv")

    with checkpoint.opened(stage, title, device) as work:
        network, history, trials = training.search(
            build, codes, (rows, validation), p.train, p.seed, weights, work, write
        )
        with work.writing(weights_file) as path:
            network.save_weights(path)
        write(history)
        tables.write(trials, f"models/{role}/rates.csv", "%.6g", work.writing)
        devices.prepare(seed=0)
        trained = classifier.trained(weights_file, images.shape[1], *head)
        test = index.rows(table, "test")
        probabilities = batches.predict(
            *features.remainder(trained, images, cache, p.model.frozen_blocks), test, BATCH_SIZE
        )
        tabulated = predictions.tabulate(table, test, classes, probabilities)
        tables.write(tabulated, f"models/{role}/predictions.csv", "%.9g", work.writing)  # all that 32 bits hold
    kept = tables.kept(trials)
    print(
        f"{title}: {len(rows)} images, learning rate {kept['learning_rate']:g}, {len(history)} epochs, "
        f"weights of epoch {kept['kept_epoch']:.0f} kept, validation accuracy {kept['val_accuracy']:.4f}"
    )
    if kept["edge"] != "none":
        print(
            f"{title}: that is the {kept['edge']} of the learning rates tried; a {tables.BEYOND[kept['edge']]} one may "
            "be better; see train.learning_rate"
        )
    if not kept["stopped"]:
        print(f"{title}: not stopped early, so with more epochs it could still improve; see train.epochs")


def weighted(codes, series, parts):
    """What each row counts (n,): within each of `parts`, lists of rows, classes and their series weigh the same."""
    weights = np.ones(len(codes), "float32")
    for rows in parts:
        weights[rows] = balance.weights(codes[rows], series[rows])
    return weights


if __name__ == "__main__":
    run(main)
