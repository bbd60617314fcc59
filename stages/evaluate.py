"""Measure a role's model on the test rows."""

from stages import atomic_write, run, write_json

from kidneyct.backbone import devices, features
from kidneyct.classifier import batches, classifier
from kidneyct.files import arrays, index, predictions, tables
from kidneyct.pipeline import params
from kidneyct.statistics import calibration, evaluation

BATCH_SIZE = 32


def main(role):
    p = params.load(f"evaluate@{role}")
    classes = p.data.classes
    table = index.read("data/split.csv")
    images = arrays.images("data/images.npy", len(table))
    devices.prepare(seed=0)
    head = (p.model.dense_units, len(classes), p.model.pixel_scaling, p.model.normalize, p.model.head)
    network = classifier.trained(f"models/{role}/model.weights.h5", images.shape[1], *head)
    model, inputs = features.remainder(network, images, f"data/features/{role}.npy", p.model.frozen_blocks)

    codes, rows = index.codes(table["label"], classes), index.rows(table, "test")
    probabilities = batches.predict(model, inputs, rows, BATCH_SIZE)
    kept = tables.kept(tables.read(f"plots/{role}/history.csv", tables.HISTORY))
    result = (
        evaluation.evaluate(codes[rows], probabilities, classes)
        | evaluation.learning(kept["accuracy"], codes[index.rows(table, "train")])
        | calibration.calibrate(codes[rows], probabilities)
    )
    write_json(f"metrics/{role}/evaluation.json", result)

    predicted = predictions.tabulate(table, rows, classes, probabilities)
    written = {
        "predictions": predicted,
        "confusion": predicted[["label", "predicted"]].rename(columns={"label": "actual"}),
        "reliability": calibration.reliability(codes[rows], probabilities),
    }
    for name, content in written.items():
        with atomic_write(f"plots/{role}/{name}.csv") as partial:
            content.to_csv(partial, index=False, float_format="%.6f")
    print(f"{role}: test accuracy {result['accuracy']:.4f}, macro F1 {result['macro_f1']:.4f}")


if __name__ == "__main__":
    run(main)
