"""Measure a role's maps: are they faithful, do they depend on what was learned, do they fall on the lesion?"""

from stages import run, write_json

from kidneyct.backbone import devices, forward
from kidneyct.classifier import classifier
from kidneyct.files import arrays, checkpoint, index
from kidneyct.images import masks
from kidneyct.maps import selection
from kidneyct.measures import evaluation
from kidneyct.pipeline import params

BATCH_SIZE = 8


def main(role):
    stage, title = f"measure@{role}", f"maps of the {role}"
    p = params.load(stage)
    classes = p.data.classes
    table = index.read("data/split.csv")
    images = arrays.images("data/images.npy", len(table))
    predictions = index.read(f"plots/{role}/predictions.csv")
    index.test_rows(table, {f"plots/{role}/predictions.csv": predictions})
    devices.prepare(seed=0)
    device = devices.describe("float32")
    print(f"{title}: {device}", flush=True)
    head = (p.model.dense_units, len(classes), p.model.pixel_scaling, p.model.normalize, p.model.head)
    network = classifier.trained(f"models/{role}/model.weights.h5", images.shape[1], *head)

    run = forward.whole(network)
    devices.warn_if_long(
        title,
        lambda: run(images[:BATCH_SIZE]),
        evaluation.passes(p.explain.measured_images) / BATCH_SIZE,
    )
    rows = selection.spread(table, classes, p.explain.measured_images)
    explained = selection.predicted(table, predictions, classes, rows)
    lesions = masks.read("data/archive.zip", table["image"][rows])
    with checkpoint.work(stage, title, device) as work:
        result, cascade = evaluation.measure(network, images[rows], explained, lesions, p.seed, BATCH_SIZE, work.kept)
        with work.writing(f"metrics/{role}/maps.json") as path:
            write_json(path, result)
        with work.writing(f"metrics/{role}/best_map.json") as path:
            write_json(path, evaluation.best(result))
        with work.writing(f"plots/{role}/randomisation.csv") as path:
            cascade.to_csv(path, index=False, float_format="%.6f")


if __name__ == "__main__":
    run(main)
