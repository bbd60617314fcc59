"""A whole finished run, as the stages leave it, without the time that they take."""

import json

import finished
import numpy as np
import pandas as pd
import tiny
from finished import slices
from PIL import Image

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.files import index, predictions
from kidneyct.images import decoding
from kidneyct.leakage import leakage
from kidneyct.pipeline import params
from kidneyct.pipeline.roles import ROLES
from kidneyct.statistics import comparison, evaluation

PARAMETERS = params.check(tiny.TINY | {"model": tiny.TINY["model"] | {"normalize": "features"}}).model_dump()
CLASSES, SIDE = PARAMETERS["data"]["classes"], PARAMETERS["preprocess"]["image_size"]
WHOLE = [stage for stage in finished.pipeline() if stage.partition("@")[0] not in ("explain", "report")]
COMPARISON = "metrics/comparison"


def write(folder):
    """Four series of six images, one a class, four of each train and two test; untrained networks as the models.

    Returns the candidate's network.
    """
    for name in ("data/images", "metrics/leakage", *(f"{top}/{r}" for top in ("models", COMPARISON) for r in ROLES)):
        (folder / name).mkdir(parents=True)
    pictures = [Image.fromarray(picture) for number in range(4) for picture in slices(number, 6)]
    thumbnails = np.stack([decoding.thumbnail(picture) for picture in pictures])
    np.save(folder / "data/images/thumbnails.npy", thumbnails)
    labels, series = np.repeat(CLASSES, 6), np.repeat(range(4), 6)
    table = pd.DataFrame({"image": [f"{label}/{n}.png" for n, label in enumerate(labels)], "label": labels})
    files = table.assign(width=64, height=64, sha256=[f"{number:064x}" for number in range(24)])
    files.to_csv(folder / "data/images/index.csv", index=False)
    table["split"] = (["train"] * 4 + ["test"] * 2) * 4
    table.to_csv(folder / "data/split.csv", index=False)
    table[["image"]].assign(series=series).to_csv(folder / "data/series.csv", index=False)
    codes, test = index.codes(table["label"], CLASSES), index.rows(table, "test")
    pixels = np.stack([decoding.tensor(picture, SIDE) for picture in pictures])
    networks, evaluations, told, histories = {}, {}, {}, {}
    for seed, role in enumerate(ROLES, start=3):
        model = PARAMETERS["model"]
        given = (len(CLASSES), model["pixel_scaling"], model["normalize"])
        network = networks[role] = classifier.network(vgg.base(SIDE), model["dense_units"], *given, seed=seed)
        classifier.adapt(network, pixels, index.rows(table, "train"))
        network.save_weights(folder / f"models/{role}/model.weights.h5")
        probabilities = network.predict_on_batch(pixels[test])
        evaluations[role] = evaluation.evaluate(codes[test], probabilities, CLASSES)
        evaluations[role] |= evaluation.learning(0.9, codes[index.rows(table, "train")])
        evaluations[role] |= evaluation.calibrate(codes[test], probabilities)
        told[role] = predictions.tabulate(table, test, CLASSES, probabilities)
        told[role].to_csv(folder / f"models/{role}/predictions.csv", index=False)
        histories[role] = pd.DataFrame({"epoch": [1], "val_accuracy": [0.5], "kept": [1]})
        write_json(folder / f"{COMPARISON}/{role}/evaluation.json", evaluations[role])
    asked = PARAMETERS["series"]["similarity"], np.arange(24), PARAMETERS["probe"]["slices"]
    leak, _ = leakage.measure(files, thumbnails, series, codes, table["split"], *asked)
    write_json(folder / "metrics/leakage/leakage.json", leak)
    compared = comparison.compare(evaluations, told, histories, series[test], CLASSES)
    write_json(folder / f"{COMPARISON}/comparison.json", compared)
    write_json(folder / f"{COMPARISON}/external.json", {"images": 0})
    finished.lock(folder, finished.read_by(WHOLE, PARAMETERS))
    return networks[ROLES[0]]


def write_json(path, tree):
    path.write_text(json.dumps(tree))
