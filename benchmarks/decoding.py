"""`preprocess` against the bare decoding of the same JPEGs, by Pillow, on as many processes as there are processors.

    python -m benchmarks.decoding
    python -m benchmarks.decoding --archive /path/to/archive.zip --classes Cyst,Normal,Stone,Tumor

`preprocess` also reads the checksums, squeezes each picture twice, hashes the file and writes two arrays.
"""

import io
import multiprocessing
import os
import tempfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

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
    rows = [
        {
            "way": name,
            "images a second": stopwatch.rate(len(names), seconds[name]),
            "times as long as bare decoding": stopwatch.ratio(seconds["bare decoding"], seconds[name]),
        }
        for name in ways
    ]
    stopwatch.publish("decoding", options.size, rows)


if __name__ == "__main__":
    main()
