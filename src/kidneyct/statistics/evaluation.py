"""Metrics of one model: pure functions of labels and probabilities."""

import numpy as np
from sklearn import metrics

from kidneyct.files.rounding import rounded
from kidneyct.pipeline.errors import InputError

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
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    labels = np.arange(len(classes))
    one_hot = np.eye(len(classes))[codes]  # (n, classes)
    by_class = metrics.precision_recall_fscore_support(codes, predicted, labels=labels, zero_division=0)
    _, recall, f1, _ = by_class
    result = {
        "loss": metrics.log_loss(codes, probabilities, labels=labels),
        "accuracy": metrics.accuracy_score(codes, predicted),
        "balanced_accuracy": recall.mean(),
        "macro_f1": f1.mean(),
        "macro_auroc": metrics.roc_auc_score(one_hot, probabilities, average="macro"),
    }
    result["collapsed"] = len(np.unique(predicted)) == 1
    result["weakest_class"] = classes[f1.argmin()]  # by F1, the first of equals
    rows = zip(*map(np.ndarray.tolist, by_class), strict=True)
    columns = [dict(zip(("precision", "recall", "f1", "support"), row, strict=True)) for row in rows]
    return rounded(result | {"classes": dict(zip(classes, columns, strict=True))})


def learning(training_accuracy, codes):
    """Whether a model learned its own training images, with codes (n,): two more entries of `evaluation.json`.

    `training_accuracy` is that of the epoch whose weights are kept. The model is `untrained` where that stays below
    the share of the largest class and NEAR of what is above it.
    """
    majority = np.bincount(codes).max() / len(codes)
    untrained = training_accuracy < majority + NEAR * (1 - majority)
    return rounded({"training_accuracy": training_accuracy, "untrained": bool(untrained)})
