"""How much of the test set the training set already holds, and what that is worth without any network."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kidneyct.data import series as thumbnail_series
from kidneyct.rounding import rounded


def measure(thumbnails, hashes, series, codes, parts, similarity):
    """The leak of a split: what of the test images the training images hold, and three baselines' accuracy.

    All arguments but the last have a row for each image: thumbnails (n, 25, 25), hashes, series, codes and parts
    (n,). A near-duplicate is a thumbnail that correlates above `similarity`. Only the part "train" is looked up;
    validation images are neither. `series_crossing` counts the series with images in both.
    """
    train, test = (np.flatnonzero(np.asarray(parts) == part) for part in ("train", "test"))
    hashes, series, codes = np.asarray(hashes), np.asarray(series), np.asarray(codes)
    position, correlation = thumbnail_series.nearest(thumbnails[test], thumbnails[train])
    identical = np.isin(hashes[test], hashes[train])
    crossing = np.intersect1d(series[test], series[train])
    return rounded(
        {
            "test_images": len(test),
            "near_duplicates": {
                "share": np.mean(correlation > similarity),
                "median_correlation": np.median(correlation),
            },
            "identical_files": {"share": np.mean(identical), "images": int(identical.sum())},
            "series": {
                "all": len(np.unique(series)),
                "in_test": len(np.unique(series[test])),
                "crossing": len(crossing),
                "share_of_test_images_crossing": np.mean(np.isin(series[test], crossing)),
            },
            "accuracy": {
                "majority_class": np.mean(codes[test] == np.bincount(codes[train]).argmax()),
                "nearest_thumbnail": np.mean(codes[train][position] == codes[test]),
                "linear_model": np.mean(_linear(thumbnails, codes, train, test) == codes[test]),
            },
        }
    )


def _linear(thumbnails, codes, train, test):
    """Classes that a logistic regression on the standardised thumbnails gives the test images."""
    pixels = np.asarray(thumbnails).reshape(len(thumbnails), -1).astype("float32")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    return model.fit(pixels[train], codes[train]).predict(pixels[test])


def closest_pairs(thumbnails, hashes, codes, parts, per_class):
    """For each class the test images nearest to a training image, the closest first.

    Returns a table of test and training, rows of the index, and the correlation of their thumbnails.
    Pairs of one and the same file are left out where others are to be had: they look alike without telling much.
    """
    train, test = (np.flatnonzero(np.asarray(parts) == part) for part in ("train", "test"))
    hashes, codes = np.asarray(hashes), np.asarray(codes)
    position, correlation = thumbnail_series.nearest(thumbnails[test], thumbnails[train])
    same = hashes[test] == hashes[train][position]
    pairs = []
    for code in np.unique(codes[test]):
        of_class = np.flatnonzero(codes[test] == code)
        order = of_class[np.lexsort((-correlation[of_class], same[of_class]))][:per_class]
        pairs += [(test[at], train[position[at]], float(correlation[at])) for at in order]
    return pd.DataFrame(pairs, columns=["test", "training", "correlation"])
