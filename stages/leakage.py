"""Measure what of the test images the training images hold already, and what that is worth without a network."""

import numpy as np

from stages import draft, run, write_json

from kidneyct import arrays, index, params
from kidneyct.data import leakage

PAIRS_PER_CLASS = 2


def main():
    p = params.load("leakage")
    files = index.read("data/index.csv")
    table = index.read("data/split.csv")
    thumbnails = arrays.thumbnails("data/thumbnails.npy", len(files))
    codes = index.codes(table["label"], p.data.classes)
    series = index.read_series("data/series.csv")
    index.same_rows({"data/index.csv": files, "data/split.csv": table, "data/series.csv": series})
    result, baselines = leakage.measure(files, thumbnails, series, codes, table["split"], p.series.similarity)
    rejected = len(index.read("data/rejected.csv"))
    write_json("metrics/leakage.json", result | {"rejected_images": rejected})
    predicted = table.loc[index.rows(table, "test"), ["image", "label"]]
    for name, values in baselines.items():
        predicted[name] = np.array(p.data.classes)[values]
    with draft("plots/baselines.csv") as partial:
        predicted.to_csv(partial, index=False)
    pairs = leakage.closest_pairs(thumbnails, files["sha256"], codes, table["split"], PAIRS_PER_CLASS)
    with draft("plots/pairs.csv") as partial:
        pairs.to_csv(partial, index=False, float_format="%.6f")
    accuracy = result["accuracy"]
    print(
        f"{result['near_duplicates']['share']:.1%} of {result['test_images']} test images have a near-duplicate in "
        f"training; without a network: nearest thumbnail {accuracy['nearest_thumbnail']:.4f}, linear model "
        f"{accuracy['linear_model']:.4f}, majority class {accuracy['majority_class']:.4f}"
    )


if __name__ == "__main__":
    run(main)
