"""Decode every image once, into arrays whose first axis is the index; and hand the archive's known series on."""

from pathlib import Path

from stages import atomic_write, run

from kidneyct.images import archive, decoding, masks
from kidneyct.pipeline import params

ARCHIVE = "data/archive.zip"


def main():
    p = params.load("preprocess")
    entries = archive.images(ARCHIVE, p.data.classes)
    with atomic_write("data/images/patients.csv") as partial:
        partial.write_bytes(archive.patients(ARCHIVE))
    size, allowed = p.preprocess.image_size, p.preprocess.allow_corrupt
    masks.check(ARCHIVE, entries)
    what = ARCHIVE, entries, size, allowed, Path("data/images"), p.preprocess.window, p.preprocess.grey
    kept, rejected = decoding.preprocess(*what)
    left_out = f", {rejected} that can't be read left out: see data/images/rejected.csv" if rejected else ""
    print(f"preprocess: {kept} images{left_out}")


if __name__ == "__main__":
    run(main)
