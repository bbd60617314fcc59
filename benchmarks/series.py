"""Time and memory of inferring series.

    python -m benchmarks.series                      # 12,446 images, then twice as many
    python -m benchmarks.series --size full          # then 4 times as many

The images are made up: smooth random pictures, each a series of slices that drift slowly.
"""

import argparse
import resource
import time

import numpy as np
from scipy import ndimage
from sklearn.metrics import adjusted_rand_score

from benchmarks import stopwatch
from kidneyct.series import inference

STUDY = 12446
SIZES = {"tiny": [200], "cpu": [STUDY, 2 * STUDY], "full": [STUDY, 2 * STUDY, 4 * STUDY], "gpu": [STUDY, 2 * STUDY]}
SIMILARITY = 0.99
SLICES = 45  # a series, about as in the data set


def make(count):
    """Thumbnails (count, 25, 25) uint8 and the true series (count,)."""
    generator = np.random.default_rng(0)
    true = np.arange(count) // SLICES
    thumbnails = np.empty((count, 25, 25), np.uint8)
    for number in range(true.max() + 1):
        start, end = (ndimage.gaussian_filter(generator.normal(size=(25, 25)), 2) for _ in range(2))
        rows = np.flatnonzero(true == number)
        share = np.linspace(0, 0.5, len(rows))[:, None, None]
        drift = (1 - share) * start + share * end
        noisy = drift / np.abs(drift).max() * 110 + 128 + generator.normal(0, 1, drift.shape)
        thumbnails[rows] = np.clip(noisy, 0, 255)
    return thumbnails, true


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="cpu")
    parser.add_argument("--images", type=int, nargs="+", help="how many, in the place of what the size says")
    options = parser.parse_args()
    rows = []
    for count in options.images or SIZES[options.size]:
        thumbnails, true = make(count)
        hashes = np.arange(count)
        start = time.perf_counter()
        found = inference.infer(thumbnails, hashes, SIMILARITY)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # kB on Linux
        rows.append({"images": count, "seconds": seconds, "peak memory so far, GiB": peak})
        rows[-1] |= {"series": len(np.unique(found)), "adjusted Rand index": adjusted_rand_score(true, found)}
    stopwatch.publish("series", options.size, rows)


if __name__ == "__main__":
    main()
