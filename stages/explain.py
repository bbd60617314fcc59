"""Map what a role's model looks at, in test images that both roles share and in its worst mistakes.

And measure its maps: are they faithful, do they depend on what was learned, do they fall on the lesion?
"""

import numpy as np

from stages import atomic_write, run, write_json

from kidneyct.backbone import devices
from kidneyct.classifier import classifier
from kidneyct.files import arrays, checkpoint, index, predictions, tables
from kidneyct.images import masks
from kidneyct.maps import explainer, selection
from kidneyct.measures import evaluation
from kidneyct.pipeline import params


def main(role):
    stage, title = f"explain@{role}", f"maps of the {role}"
    p = params.load(stage)
    classes, folder = p.data.classes, f"data/maps/{role}"
    table = index.read("data/split.csv")
    images = arrays.images("data/images/images.npy", len(table))
    path = f"models/{role}/predictions.csv"
    answers = predictions.read(path, classes)
    index.test_rows(table, {path: answers})
    chosen = selection.choose(table, classes, p.explain.images_per_class)
    mistakes = selection.mistakes(table, answers, p.explain.mistakes)
    shown = np.concatenate([chosen, mistakes]).astype(int)
    measured = selection.spread(table, classes, p.explain.measured_images)

    devices.prepare(seed=0)
    device = devices.describe("float32")
    print(f"{title}: {device}", flush=True)
    weights = f"models/{role}/model.weights.h5"
    network = classifier.trained(weights, images.shape[1], *classifier.head(p.model, classes))

    def explained(rows):
        return images[rows], selection.predicted(table, answers, classes, rows)

    with checkpoint.opened(stage, title, device) as work:
        explain = explainer.explainer(network, batch_size=evaluation.BATCH_SIZE)
        maps = work.kept("maps", lambda: explain(*explained(shown), p.seed))
        with atomic_write(f"{folder}/maps.npz") as partial:
            mistaken = np.arange(len(shown)) >= len(chosen)
            np.savez_compressed(partial, rows=shown, mistake=mistaken, **maps)
        lesions = masks.read("data/archive.zip", table["image"][measured])
        result, cascade = evaluation.evaluate_maps(
            network, explain, *explained(measured), lesions, p.seed, kept=work.kept
        )
        with work.writing(f"{folder}/maps.json") as path:
            write_json(path, result)
        tables.write(cascade, f"{folder}/randomisation.csv", place=work.writing)


if __name__ == "__main__":
    run(main)
