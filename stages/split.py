"""Say for each row of the index whether it trains, validates or tests."""

import pandas as pd

from stages import run

from kidneyct import params, split  # isort: skip


def main():
    p = params.load("split")
    table = pd.read_csv("data/index.csv")[["image", "label"]]
    table["split"] = split.by_image(table["label"], p.split.test, p.split.validation, p.split.seed)
    table.to_csv("data/split.csv", index=False)
    print(table.groupby(["split", "label"]).size().unstack().to_string())


if __name__ == "__main__":
    run(main)
