"""Measure what of the test images the training images hold already, and what that is worth without a network."""

import numpy as np

from stages import run, write_json

from kidneyct.files import arrays, index, tables
from kidneyct.leakage import leakage
from kidneyct.pipeline import params
from kidneyct.series import inference

PAIRS_PER_CLASS = 2


def main():
    p = params.load("leakage")
    files = index.read("data/images/index.csv")
    table = index.read("data/split.csv")
    thumbnails = arrays.thumbnails("data/images/thumbnails.npy", len(files))
    codes = index.codes(table["label"], p.data.classes)
    series = index.read_series("data/series.csv")
    inferred = index.read("data/series.csv").get("inferred")
    index.same_rows({"data/images/index.csv": files, "data/split.csv": table, "data/series.csv": series})
    similarity = p.series.similarity
    units = index.units(series, p.split.by)
    result, baselines = leakage.measure(
        files, thumbnails, series, codes, table["split"], similarity, units, p.probe.slices, inferred
    )
    rejected = len(index.read("data/images/rejected.csv"))
    write_json("metrics/leakage/leakage.json", result | {"rejected_images": rejected})
    predicted = table.loc[index.rows(table, "test"), ["image", "label"]]
    for name, values in baselines.items():
        predicted[name] = np.array(p.data.classes)[values]
    tables.write(predicted, "metrics/leakage/baselines.csv")
    pairs = leakage.closest_pairs(
        thumbnails,
        files["sha256"],
        series,
        codes,
        table["split"],
        PAIRS_PER_CLASS,
        similarity=None if inferred is None else similarity,
    )
    tables.write(pairs, "metrics/leakage/pairs.csv")
    groups = inference.grouped(thumbnails, files["sha256"], files["image"], p.series.neighbours)
    tables.write(leakage.curve(thumbnails, groups, codes), "metrics/leakage/similarity.csv", "%.6g")
    accuracy = result["accuracy"]
    print(
        f"{result['near_duplicates']['share']:.1%} of {result['test_images']} test images have a near-duplicate in "
        f"training; without a network: nearest thumbnail {accuracy['nearest_thumbnail']:.4f}, linear model "
        f"{accuracy['linear_model']:.4f}, acquisition {accuracy['acquisition']:.4f}, majority class "
        f"{accuracy['majority_class']:.4f}"
    )
    if inferred is not None:
        tell_of_known(result, pairs[pairs["correlation"] > similarity], files["image"])


def tell_of_known(result, near, images):
    found = result["series"]["inference"]
    print(
        f"of {found['known']} known series the thumbnails would have made {found['inferred']}: adjusted Rand index "
        f"{found['adjusted_rand_index']:.4f}, purity {found['purity']:.4f}"
    )
    across = result["near_duplicates"]["across_series"]["images"]
    near = near[near["series"] == "another"].nlargest(3, "correlation")
    if across:
        named = (f"{images[one.test]} and {images[one.training]} ({one.correlation:.4f})" for one in near.itertuples())
        print(
            f"{across} test images have a near-duplicate of another known series (patient) in training: "
            f"{'; '.join(named)}; is one patient there under two names?"
        )


if __name__ == "__main__":
    run(main)
