"""`python -m kidneyct.similarity`: what `series.similarity` decides, threshold by threshold, on the data here."""

import sys

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from kidneyct import params
from kidneyct.data import series, split
from kidneyct.errors import InputError

THRESHOLDS = (0.9, 0.95, 0.97, 0.98, 0.985, 0.99, 0.993, 0.995, 0.997, 0.999, 0.9995)
FOLDS = 5


def sweep(thumbnails, hashes, labels, thresholds, seed):
    """A row for each threshold: number of series, of single images, of series with two classes, and two accuracies.

    `purity` is the share of images whose class is the commonest of their series. `nearest_thumbnail` is the
    accuracy of copying the label of the nearest thumbnail across folds that keep each series on one side, against
    `majority`, the commonest class there; both are the mean over `folds`, five, or fewer where a class has fewer
    series.
    """
    codes = pd.factorize(labels, sort=True)[0]
    table = []
    for threshold in thresholds:
        found = series.infer(thumbnails, hashes, threshold)
        counts = pd.crosstab(found, codes).to_numpy()  # (series, classes)
        row = {
            "similarity": threshold,
            "series": len(counts),
            "single": int((counts.sum(axis=1) == 1).sum()),
            "mixed": int(((counts > 0).sum(axis=1) > 1).sum()),
            "purity": counts.max(axis=1).sum() / len(codes),
        }
        folds = min(FOLDS, (counts > 0).sum(axis=0).min())
        if folds >= 2:
            row |= {"folds": folds} | _accuracies(thumbnails, codes, found, folds, seed)
        table.append(row)
    return pd.DataFrame(table)


def _accuracies(thumbnails, codes, groups, folds, seed):
    scores = []
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(codes, codes, groups):
        position, _ = series.nearest(thumbnails[test], thumbnails[train])
        majority = np.bincount(codes[train]).argmax()
        scores.append([(codes[train][position] == codes[test]).mean(), (codes[test] == majority).mean()])
    return dict(zip(("nearest_thumbnail", "majority"), np.mean(scores, axis=0), strict=True))


def main():
    try:
        p = params.validate()
        try:
            index = split.read("data/index.csv")
            thumbnails = np.load("data/thumbnails.npy", mmap_mode="r")
        except FileNotFoundError as error:
            raise InputError(f"{error.filename}: not there yet; run dvc repro preprocess first") from None
        table = sweep(thumbnails, index["sha256"], index["label"], THRESHOLDS, p.split.seed)
    except InputError as error:
        sys.exit(f"error: {error}")
    print(f"{len(index)} images; series.similarity is {p.series.similarity}")
    print(table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}"))


if __name__ == "__main__":
    main()
