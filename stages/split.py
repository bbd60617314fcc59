"""Say for each row of the index whether it trains, validates or tests."""

from stages import run

from kidneyct import index, params
from kidneyct.data import split


def main():
    p = params.load("split")
    series = index.read_series("data/series.csv")
    table = split.plan(index.read("data/index.csv"), series, p.data.classes, p.split, p.train.fraction, p.seed)
    table.to_csv("data/split.csv", index=False)
    print(table.groupby(["split", "label"]).size().unstack(fill_value=0).to_string())


if __name__ == "__main__":
    run(main)
