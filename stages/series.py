"""Say which images are slices of one series: as a table says, or as their thumbnails let infer."""

from pathlib import Path

from stages import run

from kidneyct.files import arrays, index, tables
from kidneyct.pipeline import params
from kidneyct.series import inference, known_series

# What series.table may be -> the file that holds the table, and what a complaint calls it.
TABLES = {
    "archive": ("data/images/patients.csv", "data/archive.zip: patients.csv"),
    "published": (known_series.PUBLISHED, known_series.PUBLISHED),
}
LINKED = "data/table/table.csv"


def main():
    p = params.load("series")
    table = index.read("data/images/index.csv")
    thumbnails = arrays.thumbnails("data/images/thumbnails.npy", len(table))
    groups = inference.grouped(thumbnails, table["sha256"], table["image"], p.series.neighbours)
    columns = {"series": inference.infer(thumbnails, groups, p.series.similarity)}
    known = known_numbers(p.series.table, table["image"])
    if known is not None:
        columns = {"series": known, "inferred": columns["series"]}
    table = table.assign(**columns)
    tables.write(table[["image", *columns]], "data/series.csv")
    by_class = table.groupby("label")["series"].nunique()
    print(f"series: {table['series'].nunique()} among {len(table)} images, {'inferred' if known is None else 'known'}")
    print(", ".join(f"{label} {count}" for label, count in by_class.items()))


def known_numbers(source, images):
    """The known series number of each image, or None where series.table has the series inferred."""
    if source == "none":
        return None
    path, where = TABLES.get(source, (LINKED, source))
    table = known_series.parse(Path(path).read_bytes(), where)
    if source == "archive" and table.empty:
        return None
    return known_series.numbers(table, images, where)


if __name__ == "__main__":
    run(main)
