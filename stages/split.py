"""Say for each row of the index whether it trains, validates or tests."""

from stages import run

from kidneyct.files import index, tables
from kidneyct.pipeline import params
from kidneyct.series import split


def main():
    p = params.load("split")
    series = index.read_series("data/series.csv")
    images = index.read("data/images/index.csv")
    index.same_rows({"data/images/index.csv": images, "data/series.csv": series})
    table = split.plan(images, series, p.data.classes, p.split, p.train.fraction, p.seed)
    tables.write(table, "data/split.csv")
    print(table.groupby(["split", "label"]).size().unstack(fill_value=0).to_string())


if __name__ == "__main__":
    run(main)
