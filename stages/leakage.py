"""Measure what of the test images the training images hold already, and what that is worth without a network."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages import run

from kidneyct import params
from kidneyct.data import leakage, split
from kidneyct.page import figures

PAIRS_PER_CLASS = 2


def main():
    p = params.load("leakage")
    index = split.read("data/index.csv")
    series = pd.read_csv("data/series.csv")["series"]
    table = split.read("data/split.csv")
    thumbnails = np.load("data/thumbnails.npy", mmap_mode="r")
    images = np.load("data/images.npy", mmap_mode="r")
    codes = split.codes(table, p.data.classes)
    result = leakage.measure(thumbnails, index["sha256"], series, codes, table["split"], p.series.similarity)
    Path("metrics").mkdir(exist_ok=True)
    Path("metrics/leakage.json").write_text(json.dumps(result, indent=2) + "\n")

    pairs = leakage.closest_pairs(thumbnails, index["sha256"], codes, table["split"], PAIRS_PER_CLASS)
    Path("plots").mkdir(exist_ok=True)
    figures.leakage_pairs("plots/leakage.png", pairs, table, images, series)
    accuracy = result["accuracy"]
    print(
        f"{result['near_duplicates']['share']:.1%} of {result['test_images']} test images have a near-duplicate in "
        f"training; without a network: nearest thumbnail {accuracy['nearest_thumbnail']:.4f}, linear model "
        f"{accuracy['linear_model']:.4f}, majority class {accuracy['majority_class']:.4f}"
    )


if __name__ == "__main__":
    run(main)
