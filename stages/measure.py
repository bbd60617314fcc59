"""Measure a role's maps: are they faithful, do they depend on what was learned, do they fall on the lesion?"""

from stages import place, run, write_json

from kidneyct import arrays, index, params
from kidneyct.data import examples, masks
from kidneyct.measures import measure
from kidneyct.network import classifier, devices

BATCH_SIZE = 8


def main(role):
    p = params.load(f"measure@{role}")
    classes = p.data.classes
    table = index.read("data/split.csv")
    images = arrays.images("data/images.npy", len(table))
    devices.prepare(seed=0)
    print(f"maps of the {role}: {devices.describe('float32')}", flush=True)
    head = (p.model.dense_units, len(classes), p.model.pixel_scaling, p.model.normalize)
    network = classifier.trained(f"models/{role}/model.weights.h5", images.shape[1], *head)

    devices.warn_if_long(
        f"maps of the {role}",
        lambda: network.predict_on_batch(images[:BATCH_SIZE]),
        measure.passes(p.explain.measured_images) / BATCH_SIZE,
    )
    rows = examples.spread(table, classes, p.explain.measured_images)
    explained = examples.predicted(table, index.read(f"plots/{role}/predictions.csv"), classes, rows)
    lesions = masks.read("data/archive.zip", table["image"][rows])
    result, cascade = measure.measure(network, images[rows], explained, lesions, p.seed, BATCH_SIZE)
    write_json(f"metrics/{role}/maps.json", result)
    write_json(f"metrics/{role}/best_map.json", measure.best(result))
    cascade.to_csv(place(f"plots/{role}/randomisation.csv"), index=False, float_format="%.6f")


if __name__ == "__main__":
    run(main)
