"""Infer from the thumbnails which images are slices of one series."""

import numpy as np

from stages import run

from kidneyct import params
from kidneyct.data import series, split


def main():
    p = params.load("series")
    index = split.read("data/index.csv")
    thumbnails = np.load("data/thumbnails.npy", mmap_mode="r")
    index["series"] = series.infer(thumbnails, index["sha256"], p.series.similarity)
    index[["image", "series"]].to_csv("data/series.csv", index=False)
    by_class = index.groupby("label")["series"].nunique()
    print(f"series: {index['series'].nunique()} among {len(index)} images")
    print(", ".join(f"{label} {count}" for label, count in by_class.items()))


if __name__ == "__main__":
    run(main)
