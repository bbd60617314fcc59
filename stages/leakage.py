"""Measure what of the test images the training images hold already, and what that is worth without a network."""

import numpy as np

from stages import run, write_json, writing

from kidneyct import index, params
from kidneyct.data import leakage

PAIRS_PER_CLASS = 2


def main():
    p = params.load("leakage")
    files = index.read("data/index.csv")
    table = index.read("data/split.csv")
    thumbnails = np.load("data/thumbnails.npy", mmap_mode="r")
    codes = index.codes(table["label"], p.data.classes)
    series = index.read_series("data/series.csv")
    result, baselines = leakage.measure(files, thumbnails, series, codes, table["split"], p.series.similarity)
    write_json("metrics/leakage.json", result)
    predicted = table.loc[index.rows(table, "test"), ["image", "label"]]
    for name, values in baselines.items():
        predicted[name] = np.array(p.data.classes)[values]
    with writing("plots/baselines.csv") as partial:
        predicted.to_csv(partial, index=False)
    pairs = leakage.closest_pairs(thumbnails, files["sha256"], codes, table["split"], PAIRS_PER_CLASS)
    with writing("plots/pairs.csv") as partial:
        pairs.to_csv(partial, index=False, float_format="%.6f")
    accuracy = result["accuracy"]
    print(
        f"{result['near_duplicates']['share']:.1%} of {result['test_images']} test images have a near-duplicate in "
        f"training; without a network: nearest thumbnail {accuracy['nearest_thumbnail']:.4f}, linear model "
        f"{accuracy['linear_model']:.4f}, majority class {accuracy['majority_class']:.4f}"
    )


if __name__ == "__main__":
    run(main)
