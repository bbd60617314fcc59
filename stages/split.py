"""Say for each row of the index whether it trains, validates or tests."""

import pandas as pd

from stages import run

from kidneyct import params
from kidneyct.data import split


def main():
    p = params.load("split")
    series = pd.read_csv("data/series.csv")["series"].to_numpy()
    table = split.plan(split.read("data/index.csv"), series, p.data.classes, p.split, p.train.fraction, p.seed)
    table.to_csv("data/split.csv", index=False)
    print(table.groupby(["split", "label"]).size().unstack(fill_value=0).to_string())


if __name__ == "__main__":
    run(main)
