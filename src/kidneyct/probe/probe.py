"""What features are worth to a linear model that is tuned on whole series: the probe.

It trains nothing of a network, so that it learns what the features hold even from few series (Kornblith et al. 2019).
"""

import numpy as np
from sklearn import metrics

from kidneyct.files.index import class_counts
from kidneyct.files.rounding import rounded
from kidneyct.pipeline.params import CHANNELS
from kidneyct.probe import logistic

ALL = "all blocks"


def parts():
    """The columns of the pooled features (n, 1472) that a probe may see: each block's and all, name -> slice."""
    ends = [0, *map(int, np.cumsum(CHANNELS))]
    return {f"block {n}": slice(*ends[n - 1 : n + 1]) for n in range(1, len(ends))} | {ALL: slice(None)}


def probe(pooled, codes, series, units, train, test, classes, slices):
    """Fit a probe on each block and on all: what `probe.json` says, and the probabilities of the test rows of all.

    `pooled` (n, 1472), codes, series and units (n,) as in `logistic.tuned`; `train` and `test` are rows, `classes`
    names. Nothing but the training rows is seen in fitting and tuning.
    """
    result, last = {}, None
    for name, columns in parts().items():
        own = np.asarray(pooled[:, columns])
        model = logistic.tuned(own[train], codes[train], series[train], units[train], len(classes), slices)
        last = logistic.probabilities(model, own[test])
        chosen = {"strength": model.strength, "edge": model.edge}
        result[name] = evaluate(last, codes[test], series[test], classes) | chosen
    return result, last


def evaluate(probabilities, codes, series, classes):
    """Measures of probabilities (n, k) for slices with codes and series (n,), and for series, a mean over their slices.

    Of slices log-loss, accuracy, balanced accuracy (mean recall) and macro F1; of series macro AUROC (one against the
    rest, unweighted), balanced accuracy and accuracy. Classes without a slice, or a series, are left out of the means.
    """
    predicted, present = probabilities.argmax(axis=1), np.unique(codes)
    of_series, actual = by_series(probabilities, codes, series)
    decided = of_series.argmax(axis=1)
    return rounded(
        {
            "log_loss": logistic.log_losses(probabilities, codes).mean(),
            "accuracy": np.mean(predicted == codes),
            "balanced_accuracy": np.mean([np.mean(predicted[codes == code] == code) for code in present]),
            "macro_f1": metrics.f1_score(codes, predicted, labels=present, average="macro", zero_division=0),
            "series": {"count": len(actual), "accuracy": np.mean(decided == actual)}
            | {"balanced_accuracy": np.mean([np.mean(decided[actual == code] == code) for code in np.unique(actual)])}
            | macro_auroc(of_series, actual),
            "recall": {classes[code]: np.mean(predicted[codes == code] == code) for code in present},
        }
    )


def by_series(probabilities, codes, series):
    """Mean probabilities (g, k) and the commonest class (g,) of each series, in the order of their numbers."""
    members, counts = class_counts(series, codes)
    sums = np.zeros((len(counts), probabilities.shape[1]))
    np.add.at(sums, members, probabilities)
    return sums / counts.sum(axis=1, keepdims=True), counts.argmax(axis=1)


def macro_auroc(of_series, actual):
    """{"macro_auroc": value} over the classes that some series have and others have not; {} where there is none."""
    tested = [code for code in np.unique(actual) if np.any(actual != code)]
    values = [metrics.roc_auc_score(actual == code, of_series[:, code]) for code in tested]
    return {"macro_auroc": np.mean(values)} if values else {}
