"""Time and memory of inferring series, and of an approximate search for sets beyond some hundred thousand images.

    python -m benchmarks.series                      # 12,446 images, then twice as many
    python -m benchmarks.series --size full          # then 4 times as many
    pip install faiss-cpu
    python -m benchmarks.series --approximate        # the same with faiss's neighbours instead of every pair

The images are made up: smooth random pictures, each a series of slices that drift slowly.
"""

import argparse
import resource
import time

import numpy as np
from scipy import ndimage
from sklearn.metrics import adjusted_rand_score

from benchmarks import stopwatch
from kidneyct.series import inference, neighbours

STUDY = 12446
SIZES = {"tiny": [200], "cpu": [STUDY, 2 * STUDY], "full": [STUDY, 2 * STUDY, 4 * STUDY], "gpu": [STUDY, 2 * STUDY]}
SIMILARITY = 0.99
SLICES = 45  # a series, about as in the data set
NEIGHBOURS = 20


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


def approximate(thumbnails, hashes):
    """Series from each image's nearest neighbours in faiss's graph (HNSW), instead of every pair."""
    import faiss

    rows = neighbours.standardise(thumbnails)
    index = faiss.IndexHNSWFlat(rows.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    correlations, nearest = index.search(rows, NEIGHBOURS)
    left, place = np.nonzero(correlations > SIMILARITY)
    _, labels = np.unique(hashes, return_inverse=True)
    return inference.merge(labels, left, nearest[left, place])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--approximate", action="store_true")
    parser.add_argument("--size", choices=SIZES, default="cpu")
    parser.add_argument("--images", type=int, nargs="+", help="how many, in the place of what the size says")
    options = parser.parse_args()
    rows = []
    for count in options.images or SIZES[options.size]:
        thumbnails, true = make(count)
        hashes = np.arange(count)
        start = time.perf_counter()
        found = (
            approximate(thumbnails, hashes) if options.approximate else inference.infer(thumbnails, hashes, SIMILARITY)
        )
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # kB on Linux
        rows.append({"images": count, "seconds": seconds, "peak memory so far, GiB": peak})
        rows[-1] |= {"series": len(np.unique(found)), "adjusted Rand index": adjusted_rand_score(true, found)}
    stopwatch.publish("series-approximate" if options.approximate else "series", options.size, rows)


if __name__ == "__main__":
    main()
