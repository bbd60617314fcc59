"""`preprocess` against the bare decoding of the same JPEGs, by Pillow, on as many processes as there are processors.

    python -m benchmarks.decoding
    python -m benchmarks.decoding --archive /path/to/archive.zip --classes Cyst,Normal,Stone,Tumor

`preprocess` also reads the checksums, squeezes each picture twice, hashes the file and writes two arrays. What JPEG's
own decoding at half the scale would save and change is measured too; the study does without it.
"""

import io
import multiprocessing
import os
import tempfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import stopwatch
from kidneyct.images import archive, decoding
from kidneyct.sources import phantom

SIZES = {
    "cpu": {"archive": "", "classes": "Cyst,Normal,Stone,Tumor", "patients": 4, "slices": 8, "repetitions": 7},
    "tiny": {"patients": 1, "slices": 1, "repetitions": 1},
    "full": {"patients": 40, "slices": 8},
    "gpu": {"patients": 40, "slices": 8},
}
SIZE = 200
_open = None  # in each process, the archive


def enter(path):
    global _open
    _open = zipfile.ZipFile(path)


def bare(name):
    Image.open(io.BytesIO(_open.read(name))).load()


def halved(content):
    """A picture decoded at the least scale that JPEG offers and is not below the study's size."""
    picture = Image.open(io.BytesIO(content))
    picture.draft(None, (SIZE, SIZE))
    return picture.convert("RGB")


def main():
    options = stopwatch.options(__doc__, SIZES)
    classes = options.classes.split(",")
    with tempfile.TemporaryDirectory() as folder:
        path = options.archive
        if not path:
            path = Path(folder, "phantom.zip")
            archive.write(path, phantom.members(classes, options.patients, options.slices, 0))
        entries = archive.images(path, classes)
        names = [entry.member for entry in entries]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count(), context, enter, (path,)) as pool:
            ways = {
                "preprocess": lambda: decoding.preprocess(path, entries, SIZE, 0, Path(folder)),
                "bare decoding": lambda: list(pool.map(bare, names, chunksize=max(1, len(names) // 32))),
            }
            seconds = stopwatch.interleaved(ways, options.repetitions)
        scales = in_one_thread(path, names[:: max(1, len(names) // 100)], options.repetitions)
    rows = [
        {
            "way": name,
            "images a second": stopwatch.rate(len(names), seconds[name]),
            "times as long as bare decoding": stopwatch.ratio(seconds["bare decoding"], seconds[name]),
        }
        for name in ways
    ]
    stopwatch.publish("decoding", options.size, rows, scales)


def in_one_thread(path, names, repetitions):
    """What an image takes in one thread, whole and at half the scale, and how far the two are apart: a line."""
    with zipfile.ZipFile(path) as file:
        contents = [file.read(name) for name in names]
    spent = {"whole": [], "halved": []}
    for _ in range(repetitions):
        for way, read in (("whole", lambda each: decoding.decode(each, "image")), ("halved", halved)):
            start = time.perf_counter()
            found = [decoding.tensor(read(each), SIZE) for each in contents]
            spent[way].append((time.perf_counter() - start) / len(contents) * 1000)
            if way == "whole":
                whole = np.stack(found).astype(int)
    apart = np.abs(whole - np.stack(found))
    whole, half = (np.median(spent[way]) for way in ("whole", "halved"))
    return [
        f"in one thread, decoding and squeezing take {whole:.1f} ms an image; at half the scale {half:.1f} ms, and "
        f"{(apart > 2).mean():.1%} of the values are more than 2 grey levels away, the farthest {apart.max()}"
    ]


if __name__ == "__main__":
    main()
