"""Infer from the thumbnails which images are slices of one series."""

import numpy as np

from stages import run

from kidneyct import index, params
from kidneyct.data import series


def main():
    p = params.load("series")
    table = index.read("data/index.csv")
    thumbnails = np.load("data/thumbnails.npy", mmap_mode="r")
    table["series"] = series.infer(thumbnails, table["sha256"], p.series.similarity)
    table[["image", "series"]].to_csv("data/series.csv", index=False)
    by_class = table.groupby("label")["series"].nunique()
    print(f"series: {table['series'].nunique()} among {len(table)} images")
    print(", ".join(f"{label} {count}" for label, count in by_class.items()))


if __name__ == "__main__":
    run(main)
