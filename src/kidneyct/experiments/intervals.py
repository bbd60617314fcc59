"""Probes fitted over several cuts of the folds and draws of the start: metrics by series, gaps, intervals.

A model is an array of probabilities (d, c, g, k): draws of its start (1 where nothing is drawn), cuts of the folds, g
series, each with the mean of its images' probabilities by a probe that has not seen it, and k classes. Cuts and series
are the same for all models. An interval speaks of the whole experiment done once more: on other series of the same
kind, with other cuts and draws.
"""

import numpy as np
from scipy import special, stats

from kidneyct.files.rounding import rounded
from kidneyct.statistics import pooled

METRICS = ("macro_auroc", "balanced_accuracy", "accuracy", "log_loss")
TRAINING = 0.5  # what series move by training the probes for others, as a share of what they move by being tested


def estimate(model, codes, against=None, training=TRAINING):
    """Metrics of a model (d, c, g, k) on series with codes (g,), or its gaps to another, with intervals.

    For each of METRICS a dictionary: `value`, the mean over draws and cuts, of a gap the model's less the other's; its
    standard `error`, whose square is the sum of the squares of its `parts`; `freedom`, Satterthwaite's; `low` and
    `high`, the ends of Student's interval. The parts:

    - `series`: the delete-one jackknife over series of that mean (Efron and Stein 1981). Its degrees of freedom are
      those of a sum over classes, as the few series of the smallest class can decide a mean over classes;
    - `training`: a series also trains the probes for the others, which the jackknife does not show and no estimate from
      one data set without bias (Bengio and Grandvalet 2004). It counts as a share `training` of the jackknife's
      variance; benchmarks/intervals.py shows what TRAINING does;
    - `cuts`, `draws`: the variance over them divided by their number, where there are several.

    The interval of a share is symmetric in its log-odds, that of a loss in its logarithm, that of a gap as it is. Where
    no series differs there is no error: a share of 0 or 1 and a gap of 0 then have low and high by `pooled.bounds`.
    Another such value, or one that a single series decides, stands alone.
    """
    codes = np.asarray(codes)
    sides = [measured(np.asarray(side, float), codes) for side in (model, against) if side is not None]
    return {
        metric: _estimate(
            [values[metric] for values, _ in sides], [left[metric] for _, left in sides], codes, metric, training
        )
        for metric in METRICS
    }


def _estimate(values, without, codes, metric, training):
    """Of one side or two: values (d, c), and the same without each series in turn, (d, c, g)."""
    gap = len(values) == 2
    value = np.subtract.reduce([side.mean() for side in values])
    by_cut = np.subtract.reduce([side.mean(axis=0) for side in values])  # (c,)
    left_out = np.subtract.reduce([side.mean(axis=(0, 1)) for side in without])  # (g,)
    series = pooled.jackknife(left_out)
    if not series > pooled.ALIKE**2:  # nor where it is NaN
        return rounded({"value": value} | pooled.bounds(value, _effective(codes, metric), gap))
    cuts, draws = pooled.of_means(by_cut), pooled.of_means(*(side.mean(axis=1) for side in values))
    parts = {"series": series, "training": training * series}
    parts |= {name: sum(part for part, _ in own) for name, own in {"cuts": cuts, "draws": draws}.items() if own}
    variance, freedom = pooled.combined([((1 + training) * series, _freedom(left_out, codes)), *cuts, *draws])
    error = np.sqrt(variance)
    low, high = _ends(value, stats.t.ppf((1 + pooled.LEVEL) / 2, freedom) * error, "gap" if gap else metric)
    errors = {name: np.sqrt(part) for name, part in parts.items()}
    return rounded({"value": value, "low": low, "high": high, "error": error, "freedom": freedom, "parts": errors})


def _ends(value, reach, metric):
    """Low and high so far from a value as `reach`, on the scale of its metric (delta method)."""
    if metric == "gap":
        return value - reach, value + reach
    if metric == "log_loss":
        return value * np.exp(-reach / value), value * np.exp(reach / value)
    odds, reach = special.logit(value), reach / (value * (1 - value))
    return special.expit(odds - reach), special.expit(odds + reach)


def _freedom(left_out, codes):
    """Satterthwaite's degrees of freedom of a jackknife over series (g,), a sum of one variance for each class."""
    of_class = [left_out[codes == code] for code in np.unique(codes)]
    return pooled.combined([(np.square(own - own.mean()).sum(), max(len(own) - 1, 1)) for own in of_class])[1]


def _effective(codes, metric):
    """How many series stand for a metric without errors: where classes weigh the same, all may lie in the smallest."""
    counts = np.unique(codes, return_counts=True)[1]
    return {"accuracy": len(codes), "log_loss": 1}.get(metric, len(counts) * counts.min())


def measured(probabilities, codes):
    """Metrics of probabilities (..., g, k) of series with codes (g,), and the same without each series in turn.

    Two dictionaries by METRICS, (...) and (..., g). `macro_auroc` is one class against the rest, the mean over classes;
    `balanced_accuracy` the mean recall; `log_loss`, in nats, has classes weigh the same too, as a probe's fit has.
    Without the only series of its class a metric is NaN, but accuracy.
    """
    held = np.unique(codes)
    right = (probabilities.argmax(axis=-1) == codes).astype(float)  # (..., g)
    loss = -np.log(np.maximum(probabilities[..., np.arange(len(codes)), codes], 1e-15))
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = {
            "macro_auroc": _mean([auroc(probabilities[..., code], codes == code) for code in held]),
            "balanced_accuracy": _mean([_share(right, codes == code) for code in held]),
            "accuracy": _share(right, np.ones(len(codes), bool)),
            "log_loss": _mean([_share(loss, codes == code) for code in held]),
        }
    return tuple({metric: pair[side] for metric, pair in pairs.items()} for side in (0, 1))


def auroc(scores, positive):
    """Area under the ROC curve (...) of scores (..., g), `positive` (g,) bool, and without each in turn (..., g).

    It is the share of pairs in which the positive has the higher score, ties counted half (Hanley and McNeil 1982). So
    one series less takes its pairs away, which its rank among all less that among its own kind counts.
    """
    pairs = stats.rankdata(scores, axis=-1)  # (..., g)
    for kind in (positive, ~positive):
        pairs[..., kind] -= stats.rankdata(scores[..., kind], axis=-1)  # those of the other kind below, ties half
    positives, negatives = positive.sum(), (~positive).sum()
    pairs[..., ~positive] = positives - pairs[..., ~positive]
    won = pairs[..., positive].sum(axis=-1)
    left = np.where(positive, (positives - 1) * negatives, positives * (negatives - 1))
    return won / (positives * negatives), (won[..., None] - pairs) / left


def _share(values, chosen):
    """Mean of values (..., g) over the chosen (g,) series, and without each series in turn (..., g)."""
    total = values[..., chosen].sum(axis=-1)
    return total / chosen.sum(), (total[..., None] - values * chosen) / (chosen.sum() - chosen)


def _mean(pairs):
    return tuple(np.mean(side, axis=0) for side in zip(*pairs, strict=True))
