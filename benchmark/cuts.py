"""The rule of the cuts: which fold each series is tested in, for a seed. It needs NumPy and series.csv alone.

usage: python benchmark/cuts.py SEED > folds.csv
"""

import csv
import sys
from pathlib import Path

import numpy as np

FOLDS = 5


def cut(seed, folds=FOLDS):
    """Series -> fold, from 0: within each class the series, in a random order, are dealt to the folds in turn."""
    with (Path(__file__).parent / "series.csv").open(encoding="utf-8") as file:
        classes = {row["series"]: row["class"] for row in csv.DictReader(file) if row["use"] == "open"}
    names = sorted(classes)
    order = np.random.default_rng(seed).permutation(len(names))
    dealt = sorted(order, key=lambda at: classes[names[at]])  # stable: the order within a class stays
    return {names[at]: place % folds for place, at in enumerate(dealt)}


if __name__ == "__main__":
    print("series,fold")
    for name, fold in sorted(cut(int(sys.argv[1])).items()):
        print(f"{name},{fold}")
