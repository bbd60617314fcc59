"""Say for each row of the index whether it trains, validates or tests."""

import pandas as pd

from stages import run

from kidneyct import params, split  # isort: skip


def main():
    p = params.load("split")
    index = pd.read_csv("data/index.csv")
    series = pd.read_csv("data/series.csv")["series"].to_numpy()
    if p.split.contradictory == "error":
        split.refuse_contradictory(index)
    table = index[["image", "label"]].assign(split=split.DROPPED)
    used = ~split.contradictory(index) if p.split.contradictory == "drop" else index.index >= 0
    table.loc[used, "split"] = split.divide(index["label"][used].to_numpy(), series[used], p.split)
    table.to_csv("data/split.csv", index=False)
    print(table.groupby(["split", "label"]).size().unstack(fill_value=0).to_string())


if __name__ == "__main__":
    run(main)
