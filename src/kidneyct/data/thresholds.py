"""What a threshold of similarity makes of the images: how many series, and how well they keep scans apart."""

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from kidneyct.data import series

FOLDS = 5


def sweep(thumbnails, hashes, labels, thresholds, seed):
    """A row for each threshold: number of series, of single images, of series with two classes, and two accuracies.

    `thumbnails` are (n, 25, 25), `hashes` and `labels` (n,). `purity` is the share of images whose class is the
    commonest of their series. `nearest_thumbnail` is the accuracy of copying the label of the nearest thumbnail across
    folds that keep each series on one side, against `majority`, the commonest class there; both are the mean over
    `folds`, five, or fewer where a class has fewer series.
    """
    codes = pd.factorize(labels, sort=True)[0]
    table = []
    for threshold in thresholds:
        numbers = series.infer(thumbnails, hashes, threshold)
        counts = pd.crosstab(numbers, codes).to_numpy()  # (series, classes)
        row = {
            "similarity": threshold,
            "series": len(counts),
            "single": int((counts.sum(axis=1) == 1).sum()),
            "mixed": int(((counts > 0).sum(axis=1) > 1).sum()),
            "purity": counts.max(axis=1).sum() / len(codes),
        }
        folds = min(FOLDS, (counts > 0).sum(axis=0).min())
        if folds >= 2:
            row |= {"folds": folds} | _accuracies(thumbnails, codes, numbers, folds, seed)
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
