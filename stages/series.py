"""Infer from the thumbnails which images are slices of one series."""

from stages import run

from kidneyct import arrays, index, params
from kidneyct.data import series


def main():
    p = params.load("series")
    table = index.read("data/index.csv")
    thumbnails = arrays.thumbnails("data/thumbnails.npy", len(table))
    table["series"] = series.infer(thumbnails, table["sha256"], p.series.similarity)
    index.write(table[["image", "series"]], "data/series.csv")
    by_class = table.groupby("label")["series"].nunique()
    print(f"series: {table['series'].nunique()} among {len(table)} images")
    print(", ".join(f"{label} {count}" for label, count in by_class.items()))


if __name__ == "__main__":
    run(main)
