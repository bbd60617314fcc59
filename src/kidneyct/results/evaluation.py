"""Metrics of one model: pure functions of labels and probabilities."""

import numpy as np
from sklearn import metrics

from kidneyct.rounding import rounded


def evaluate(codes, probabilities, classes):
    """All metrics of `evaluation.json` but the calibration.

    `codes` (n,) are positions in `classes`; `probabilities` is (n, classes), rows summing to 1; every class
    must occur in `codes`. AUROC is one-versus-rest, its mean over classes unweighted; the loss is the mean
    categorical cross-entropy in nats. A class that is never predicted has precision and F1 0; a
    model that predicts one class for every image is `collapsed`.
    """
    probabilities = np.asarray(probabilities, float)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    labels = np.arange(len(classes))
    one_hot = np.eye(len(classes))[codes]  # (n, classes)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        codes, predicted, labels=labels, zero_division=0
    )
    result = {
        "loss": metrics.log_loss(codes, probabilities, labels=labels),
        "accuracy": metrics.accuracy_score(codes, predicted),
        "balanced_accuracy": recall.mean(),
        "macro_f1": f1.mean(),
        "macro_auroc": metrics.roc_auc_score(one_hot, probabilities, average="macro"),
    }
    result["collapsed"] = len(np.unique(predicted)) == 1
    result["weakest_class"] = classes[f1.argmin()]  # by F1, the first of equals
    result["classes"] = {
        name: {
            "precision": precision[label],
            "recall": recall[label],
            "f1": f1[label],
            "support": int(support[label]),
        }
        for label, name in enumerate(classes)
    }
    return rounded(result)


def confusion(predictions, classes):
    """Counts (classes, classes) of a table with label and predicted: rows the actual class, columns the other."""
    return np.asarray(metrics.confusion_matrix(predictions["label"], predictions["predicted"], labels=classes))


def shares(confusion):
    """Each count's share of its row, the actual class; 0 where a class has no image."""
    return confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
