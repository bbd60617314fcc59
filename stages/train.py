"""Train a role's classifier on the training rows, from its initial weights."""

from stages import run

from kidneyct import arrays, index, params, tables, unfinished
from kidneyct.network import classifier, devices, features, normalization, training, vgg


def main(role):
    stage, title = f"train@{role}", f"training of the {role}"
    p = params.load(stage)
    table = index.read("data/split.csv")
    images = arrays.images("data/images.npy", len(table))
    classes = p.data.classes
    rows = index.rows(table, "train")
    device = devices.describe(p.train.precision)
    print(f"{title}: {device}", flush=True)

    def build():
        devices.prepare(p.seed, p.train.precision)
        base = vgg.initialised(f"models/{role}/initial.weights.h5", images.shape[1])
        head = (p.model.dense_units, len(classes), p.model.pixel_scaling, p.model.normalize)
        network = classifier.network(base, *head, seed=p.seed)
        classifier.freeze(network, p.model.frozen_blocks)
        model, inputs = features.remainder(network, images, f"data/features/{role}.npy", p.model.frozen_blocks)
        if p.model.normalize == "features":
            normalization.adapt(model, inputs, rows)
        return network, model, inputs

    rates = p.train.learning_rate
    # The head alone is a few steps over many weights: its GPUs would exchange more than they compute.
    among = [] if features.cached(images.shape[1], p.model.frozen_blocks) else devices.gpus()
    with devices.divided(title, among), unfinished.work(stage, title, device) as work:
        network, history, trials = training.search(
            build,
            index.codes(table["label"], classes),
            rows,
            index.rows(table, "validation"),
            learning_rates=rates if isinstance(rates, list) else [rates],
            epochs=p.train.epochs,
            batch_size=p.train.batch_size,
            patience=p.train.patience,
            seed=p.seed,
            work=work,
        )
        with work.writing(f"models/{role}/model.weights.h5") as path:
            network.save_weights(path)
        with work.writing(f"plots/{role}/history.csv") as path:
            history.to_csv(path, index=False, float_format="%.6f")
        with work.writing(f"plots/{role}/rates.csv") as path:
            trials.to_csv(path, index=False, float_format="%.6g")
    kept = trials[trials["kept"] == 1].iloc[0]
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
        print(f"{title}: the validation loss was still falling near the last epoch; see train.epochs")


if __name__ == "__main__":
    run(main)
