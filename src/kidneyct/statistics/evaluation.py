"""Metrics of one model, and whether its probabilities mean what they say: functions of labels and probabilities."""

import numpy as np
import pandas as pd
from sklearn import metrics

from kidneyct.files.rounding import rounded
from kidneyct.pipeline.errors import InputError

BINS = 15  # of the calibration, as in Guo et al. 2017
NEAR = 0.1  # of the room above the largest class's share: what takes less of it has hardly learned


def evaluate(codes, probabilities, classes):
    """All metrics of `evaluation.json` but the calibration.

    `codes` (n,) are positions in `classes`; `probabilities` is (n, classes), rows summing to 1. InputError where a
    class does not occur in `codes`, or a probability is no number. AUROC is one-versus-rest, its mean over classes
    unweighted; the loss is the mean categorical cross-entropy in nats. A class that is never predicted has precision
    and F1 0; a model that predicts one class for every image is `collapsed`.
    """
    probabilities = np.asarray(probabilities, float)
    absent = [name for code, name in enumerate(classes) if not np.any(np.asarray(codes) == code)]
    if absent:
        raise InputError(f"expected test images of every class, found none of {', '.join(absent)}; run dvc repro split")
    undecided = int((~np.isfinite(probabilities).all(axis=1)).sum())
    if undecided:
        raise InputError(
            f"the model gives no probabilities for {undecided} of {len(probabilities)} images: its training went out "
            "of bounds; lower train.learning_rate, or set train.precision: float32"
        )
    probabilities = normalised(probabilities)
    predicted = probabilities.argmax(axis=1)
    labels = np.arange(len(classes))
    one_hot = np.eye(len(classes))[codes]  # (n, classes)
    by_class = metrics.precision_recall_fscore_support(codes, predicted, labels=labels, zero_division=0)
    table = pd.DataFrame(dict(zip(("precision", "recall", "f1", "support"), by_class, strict=True)), index=classes)
    _, recall, f1, _ = by_class
    result = {
        "loss": metrics.log_loss(codes, probabilities, labels=labels),
        "accuracy": metrics.accuracy_score(codes, predicted),
        "balanced_accuracy": recall.mean(),
        "macro_f1": f1.mean(),
        "macro_auroc": metrics.roc_auc_score(one_hot, probabilities, average="macro"),
        "collapsed": len(np.unique(predicted)) == 1,
        "weakest_class": classes[f1.argmin()],  # by F1, the first of equals
        "classes": table.astype({"support": int}).to_dict("index"),
    }
    return rounded(result)


def learning(training_accuracy, codes):
    """Whether a model learned its own training images, with codes (n,): two more entries of `evaluation.json`.

    `training_accuracy` is that of the epoch whose weights are kept. The model is `untrained` where that stays below
    the share of the largest class and NEAR of what is above it.
    """
    majority = np.bincount(codes).max() / len(codes)
    untrained = training_accuracy < majority + NEAR * (1 - majority)
    return rounded({"training_accuracy": training_accuracy, "untrained": bool(untrained)})


def calibrate(codes, probabilities):
    """Expected calibration error (0 to 1) and Brier score (0 to 2), both 0 at best.

    `codes` (n,) are columns of `probabilities` (n, classes), rows summing to 1. The error is the mean distance of
    accuracy from confidence, bins weighted by their images (Guo et al. 2017, equation 3). The Brier score is the
    original, the squared distance of the probabilities from the truth summed over the classes (Brier 1950): 2 for
    certainty of a wrong class, and 1 - 1/classes for the same probability everywhere.
    """
    probabilities = normalised(probabilities)
    table, labels = reliability(codes, probabilities), np.arange(probabilities.shape[1])
    brier = metrics.brier_score_loss(codes, probabilities, labels=labels, scale_by_half=False)
    error = np.average((table["accuracy"] - table["confidence"]).abs(), weights=table["count"])
    return rounded({"expected_calibration_error": error, "brier_score": brier})


def reliability(codes, probabilities):
    """What the reliability chart shows: a row for each bin that holds images.

    The bins are of equal width, open below and closed above, over the top class's probability. Columns: low and
    high end, mean confidence (that probability), accuracy and count of the bin's images.
    """
    probabilities = normalised(probabilities)
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, BINS + 1)
    right = probabilities.argmax(axis=1) == np.asarray(codes)
    table = pd.DataFrame({"confidence": confidence, "accuracy": right, "count": 1})
    bins = np.digitize(confidence, edges[1:-1], right=True)
    table = table.groupby(bins).agg({"confidence": "mean", "accuracy": "mean", "count": "sum"})
    table.insert(0, "low", edges[table.index])
    table.insert(1, "high", edges[table.index + 1])
    return table.reset_index(drop=True)


def normalised(probabilities):
    """Probabilities (n, classes) whose rows sum to 1 nearly, such as those in half precision, scaled to it."""
    probabilities = np.asarray(probabilities, float)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
