"""Decode the external test set as the study's own images; its series are known from its patients.csv, or inferred."""

import functools
from pathlib import Path

from stages import run

from kidneyct.files import arrays, checkpoint, index
from kidneyct.images import archive, decoding, grey
from kidneyct.pipeline import params
from kidneyct.series import inference, known_series, split
from kidneyct.sources import external

FOLDER = Path("data/external")


def main():
    p = params.load("preprocess_external")
    entries = external.images(FOLDER / "archive.zip", p.data.classes)
    size, allowed = p.preprocess.image_size, p.preprocess.allow_corrupt
    with checkpoint.work("preprocess_external", "preprocess_external", device=None) as work:
        what = FOLDER / "archive.zip", entries, size, allowed, FOLDER, p.preprocess.window
        kept, rejected = decoding.preprocess(*what, functools.partial(grey.seen, how=p.preprocess.grey), work)
    table = index.read(FOLDER / "index.csv")
    parts = split.external(table, p.split.contradictory, FOLDER / "index.csv")
    index.write(parts, FOLDER / "split.csv")
    thumbnails = arrays.thumbnails(FOLDER / "thumbnails.npy", kept)
    groups = inference.grouped(thumbnails, table["sha256"], table["image"], p.series.neighbours)
    numbers = inference.infer(thumbnails, groups, p.series.similarity) if kept else []
    columns, known = {"series": numbers}, known_numbers(table["image"])
    if known is not None:
        numbers, columns = known, {"series": known, "inferred": numbers}
    index.write(table[["image"]].assign(**columns), FOLDER / "series.csv")
    if entries:
        left_out = f", {rejected} that can't be read left out: see {FOLDER}/rejected.csv" if rejected else ""
        dropped = len(table) - len(index.rows(parts, "test"))
        twice = f", {dropped} that are filed under two classes left out" if dropped else ""
        origin = "inferred" if known is None else "known"
        print(f"preprocess_external: {kept} images of {len(set(numbers))} series, {origin}{left_out}{twice}")


def known_numbers(images):
    """The known series number of each image, None where the archive has no patients.csv."""
    path = FOLDER / "archive.zip"
    where = f"{path}: {archive.PATIENTS}"
    table = known_series.parse(archive.patients(path), where)
    rejected = index.read(FOLDER / "rejected.csv")["image"]
    listed, otherwise = str(FOLDER / "index.csv"), "take it out of data.external"
    return None if table.empty else known_series.numbers(table, images, rejected, where, listed, otherwise)


if __name__ == "__main__":
    run(main)
