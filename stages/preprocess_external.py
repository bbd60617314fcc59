"""Decode the external test set as the study's own images, and infer its series."""

from pathlib import Path

from stages import run

from kidneyct import arrays, index, params
from kidneyct.data import external, images, series, split

FOLDER = Path("data/external")


def main():
    p = params.load("preprocess_external")
    entries = external.images(FOLDER / "archive.zip", p.data.classes)
    size, allowed = p.preprocess.image_size, p.preprocess.allow_corrupt
    kept, rejected = images.preprocess(FOLDER / "archive.zip", entries, size, allowed, FOLDER)
    table = index.read(FOLDER / "index.csv")
    parts = split.external(table, p.split.contradictory, FOLDER / "index.csv")
    index.write(parts, FOLDER / "split.csv")
    thumbnails = arrays.thumbnails(FOLDER / "thumbnails.npy", kept)
    numbers = series.infer(thumbnails, table["sha256"], p.series.similarity) if kept else []
    index.write(table[["image"]].assign(series=numbers), FOLDER / "series.csv")
    if entries:
        left_out = f", {rejected} that can't be read left out: see {FOLDER}/rejected.csv" if rejected else ""
        dropped = len(table) - len(index.rows(parts, "test"))
        twice = f", {dropped} that are filed under two classes left out" if dropped else ""
        print(f"preprocess_external: {kept} images of {len(set(numbers))} series{left_out}{twice}")


if __name__ == "__main__":
    run(main)
