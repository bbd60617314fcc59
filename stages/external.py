"""Lay out and decode the external test set as the study's own images; run both models, and both starts' probes, on it.

Its series are known from its patients.csv, or inferred. Where there is none, `data/external` holds tables without rows,
and what is slow to load, TensorFlow and scikit-learn, is not loaded.
"""

from pathlib import Path

import numpy as np

from stages import run, write_json

from kidneyct.files import arrays, index, predictions, tables
from kidneyct.images import archive, decoding
from kidneyct.pipeline import params
from kidneyct.pipeline.roles import ROLES
from kidneyct.series import inference, known_series, split
from kidneyct.sources import user_images

FOLDER = Path("data/external")
ARCHIVE = FOLDER / "archive.zip"
BATCH_SIZE = 32


def main():
    p = params.load("external")
    classes = p.data.classes
    archive.write(ARCHIVE, user_images.members(p.data.external, classes, key="data.external", some=True))
    asked, entries = p.preprocess, archive.images(ARCHIVE, classes, some=True)
    how = asked.image_size, asked.allow_corrupt, FOLDER, asked.window, asked.grey
    _, rejected = decoding.preprocess(ARCHIVE, entries, *how)
    files = index.read(FOLDER / "index.csv")
    parts = split.external(files, p.split.contradictory, FOLDER / "index.csv")
    rows = index.rows(parts, "test")
    thumbnails = arrays.thumbnails(FOLDER / "thumbnails.npy", len(files))
    columns = series(files, thumbnails, p.series)
    tables.write(files[["image"]].assign(**columns), FOLDER / "series.csv")
    tables.write(parts, FOLDER / "split.csv")
    study, codes = index.read("data/split.csv"), index.codes(files["label"], classes)[rows]
    models = predicted(rows, classes, p.model)
    probes = probed(rows, study, classes, p.model.pixel_scaling, p.split.by, p.probe.slices)
    for name, probabilities in (models | {f"{role}-probe": found for role, found in probes.items()}).items():
        tables.write(predictions.tabulate(parts, rows, classes, probabilities), FOLDER / f"{name}.csv")
    table = files.iloc[rows].reset_index(drop=True)
    facts, found = {"images": len(rows)}, table[["image", "label"]]
    if len(rows):
        from kidneyct.leakage import overlap
        from kidneyct.probe import probe

        numbers = np.asarray(columns["series"])[rows]
        found = shared(table, thumbnails[rows], classes, p.series.similarity, p.split.by, p.probe.slices)
        facts |= overlap.summary(found, numbers) | {"series_are": "known" if "inferred" in columns else "inferred"}
        facts["probe"] = {
            role: probe.evaluate(probabilities, codes, numbers, classes) for role, probabilities in probes.items()
        }
        facts["left_out"] = {"unreadable": rejected, "contradictory": len(files) - len(rows)}
        found.insert(2, "series", numbers)
        tell(facts, numbers)
    else:
        print("no external test set (data.external: none)")
    write_json(FOLDER / "facts.json", facts)
    tables.write(found, FOLDER / "images.csv")


def series(files, thumbnails, asked):
    """Columns of series.csv: the inferred series, or the known ones with the inferred beside them."""
    groups = inference.grouped(thumbnails, files["sha256"], files["image"], asked.neighbours)
    numbers = inference.infer(thumbnails, groups, asked.similarity) if len(files) else []
    where = f"{ARCHIVE}: {archive.PATIENTS}"
    table = known_series.parse(archive.patients(ARCHIVE), where)
    if table.empty and asked.table == "published" and len(files):  # of that data set, or another hospital's
        table, where = known_series.parse(Path(known_series.PUBLISHED).read_bytes(), where), known_series.PUBLISHED
        table = table[table["image"].isin(files["image"])]
    if table.empty or asked.table == "none":
        return {"series": numbers}
    otherwise = "take it out of data.external"
    known = known_series.numbers(table, files["image"], where, FOLDER / "index.csv", otherwise)
    return {"series": known, "inferred": numbers}


def predicted(rows, classes, model):
    """Role -> probabilities (n, c)."""
    if not len(rows):
        return {role: np.empty((0, len(classes))) for role in ROLES}
    from kidneyct.backbone import devices
    from kidneyct.classifier import batches, classifier

    devices.prepare(seed=0)
    images, found = arrays.images(FOLDER / "images.npy"), {}
    for role in ROLES:
        weights = f"models/{role}/model.weights.h5"
        network = classifier.trained(weights, images.shape[1], *classifier.head(model, classes))
        found[role] = batches.predict_images(network, images, rows, model.frozen_blocks, BATCH_SIZE)
    return found


def probed(rows, study, classes, pixel_scaling, by, slices):
    """Role -> probabilities (n, c) of a probe on all blocks, fitted to all images that the study uses."""
    if not len(rows):
        return {role: np.empty((0, len(classes))) for role in ROLES}
    from kidneyct.backbone import features, vgg
    from kidneyct.probe import logistic

    images, used, found = arrays.images(FOLDER / "images.npy"), np.flatnonzero(study["split"].isin(index.PARTS)), {}
    codes, series = index.codes(study["label"], classes)[used], index.read_series("data/series.csv", len(study))[used]
    for role in ROLES:
        own = arrays.read(f"data/features/{role}/pooled.npy", np.float32, (len(study), sum(params.CHANNELS)))[used]
        model = logistic.tuned(own, codes, series, index.units(series, by), len(classes), slices)
        base = vgg.initialised(f"data/features/{role}/initial.weights.h5", images.shape[1])
        found[role] = logistic.probabilities(model, features.pooled(base, images, pixel_scaling, rows))
    return found


def shared(table, thumbnails, classes, similarity, by, slices):
    """`overlap.find` of the external images and the study's."""
    from kidneyct.leakage import overlap

    study, own_split = index.read("data/images/index.csv"), index.read("data/split.csv")
    own_series = index.read_series("data/series.csv")
    index.same_rows({"data/images/index.csv": study, "data/split.csv": own_split, "data/series.csv": own_series})
    own = arrays.thumbnails("data/images/thumbnails.npy", len(study))
    study, units = study.assign(split=own_split["split"]), index.units(own_series, by)
    return overlap.find(table, thumbnails, study, own, own_series, classes, similarity, units, slices)


def tell(facts, numbers):
    unreadable, contradictory = facts["left_out"].values()
    left_out = f", {unreadable} that can't be read left out: see {FOLDER}/rejected.csv" if unreadable else ""
    twice = f", {contradictory} that are filed under two classes left out" if contradictory else ""
    series = f"{len(set(numbers))} series, {facts['series_are']}"
    print(f"external: {facts['images']} images of {series}{left_out}{twice}")


if __name__ == "__main__":
    run(main)
