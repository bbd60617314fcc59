"""How often do the intervals hold the truth? By simulation, of probes that are trained and of pooled predictions.

    python -m benchmarks.intervals

Probes: series of four classes, as uneven as the data set's, with an effect of their own, of 1 to 300 slices; three ways
of seeing them: two that stay the same, and one drawn again several times; a logistic regression for each fold of
several cuts. The truth is the mean of many experiments, each on series of its own with one cut and one draw.

Pooled predictions: series of 1 to 222 images, each with a chance of its own to be classified rightly, by two models
whose chances go together and whose gap is 10 points.

An interval of 95 % should hold the truth in a share of 0.95.
"""

import argparse

import numpy as np
from scipy import special

from benchmarks import stopwatch
from kidneyct.experiments import intervals
from kidneyct.probe.balance import weights as balanced
from kidneyct.probe.logistic import dealt, evenly
from kidneyct.statistics import bootstrap, pooled

SERIES = {60: (21, 15, 17, 7), 150: (51, 38, 43, 18)}  # by class, in the proportions of the data set's 152
LATENT = 24  # what a slice is like: the mean of its class, its series' own, its own
CENTRES = 0.6 * np.random.default_rng(0).normal(size=(len(SERIES[60]), LATENT))
SEEN = 16  # of it the first start sees
FILTERS = np.random.default_rng(1).normal(size=(LATENT, LATENT)) / np.sqrt(LATENT)  # of the second
TESTED, TRAINED = 5, 2  # slices of a series, evenly spaced
FOLDS, CUTS, DRAWS = 5, 4, 4
STRENGTH = 0.05  # scikit-learn's C
STEPS = 25
SIZES = {"tiny": (20, 20), "cpu": (1000, 4000), "full": (5000, 20000), "gpu": (1000, 4000)}  # trials, and for the truth

GROUPS = (6, 12, 20, 40, 87)
RESAMPLES = 400
GAP = 0.1


def experiment(generator, counts, cuts, draws):
    """Codes of the series, and by start the probabilities (d, c, g, k) of probes that were trained on the others."""
    codes = np.repeat(np.arange(len(counts)), counts)
    slices = np.exp(generator.uniform(0, np.log(300), len(codes))).round().astype(int).clip(max=TESTED)
    series = np.repeat(np.arange(len(codes)), slices)
    spread = np.exp(0.3 * generator.normal(size=(len(codes), 1)))  # some series are odder than others
    own = CENTRES[codes] + spread * generator.normal(size=(len(codes), LATENT))
    latent = own[series] + 0.7 * generator.normal(size=(len(series), LATENT))
    folds = np.stack([dealt(codes, np.arange(len(codes)), FOLDS, generator.integers(2**32)) for _ in range(cuts)])
    starts = {
        "one": [latent[:, :SEEN]],
        "another": [np.maximum(latent @ FILTERS, 0)],
        "drawn": [np.maximum(latent @ generator.normal(size=FILTERS.shape) / np.sqrt(LATENT), 0) for _ in range(draws)],
    }
    return codes, {
        name: np.stack([answers(features, codes, series, folds) for features in drawn])
        for name, drawn in starts.items()
    }


def answers(features, codes, series, folds):
    """Mean probabilities (c, g, k) of series with codes (g,) from slices (n, f), for cuts of the folds (c, g)."""
    rows = evenly(series, TRAINED)
    features = np.column_stack([features, np.ones(len(features))]).astype(np.float32)
    weights = balanced(codes[series[rows]], series[rows])
    trained = (folds[:, None] != np.arange(FOLDS)[:, None])[..., series[rows]] * weights  # (c, folds, rows)
    fitted = fit(features[rows], codes[series[rows]], trained.reshape(-1, len(rows)).T)
    by_slice = probabilities(features, fitted)
    places = np.flatnonzero(np.diff(series, prepend=-1))
    by_series = np.add.reduceat(by_slice, places) / np.bincount(series)[:, None, None]
    by_series = by_series.reshape(len(codes), -1, len(folds), FOLDS)  # (g, k, c, folds)
    return np.stack([by_series[np.arange(len(codes)), :, cut, fold] for cut, fold in enumerate(folds)])


def fit(features, codes, weights):
    """Coefficients (f, k, b) of logistic regressions on features (n, f), the last of them 1, for weights (n, b).

    Böhning's (1992) steps, whose one matrix bounds the curvature of all b regressions from above.
    """
    (rows, inputs), classes = features.shape, int(codes.max()) + 1
    weights = STRENGTH * weights[:, None].astype(np.float32)
    penalty = np.append(np.ones(inputs - 1), 0).astype(np.float32)[:, None]
    bound = features.T * weights.max(axis=2).T @ features / 2 + np.diag(penalty[:, 0])
    step, transposed = np.linalg.inv(bound), np.ascontiguousarray(features.T)
    found = np.zeros((inputs, classes * weights.shape[2]), np.float32)
    told = np.eye(classes, dtype=np.float32)[codes][:, :, None]
    for _ in range(STEPS):
        wrong = (probabilities(features, found.reshape(inputs, classes, -1)) - told) * weights
        found -= step @ (transposed @ wrong.reshape(rows, -1) + penalty * found)
    return found.reshape(inputs, classes, -1)


def probabilities(features, coefficients):
    """(n, k, b) of features (n, f) by coefficients (f, k, b)."""
    powers = np.exp((features @ coefficients.reshape(len(coefficients), -1)).reshape(-1, *coefficients.shape[1:]))
    return powers / powers.sum(axis=1, keepdims=True)


COMPARED = {
    "one start": ("one", None),
    "drawn start": ("drawn", None),
    "one start less another": ("one", "another"),
    "one start less a drawn one": ("one", "drawn"),
}


def probes(trials, experiments):
    """A row for each number of series and value or gap: how often its interval held the truth, by metric."""
    rows = []
    for groups, counts in SERIES.items():
        generator = np.random.default_rng(groups)
        truths = truth(generator, counts, experiments)
        found = {name: [] for name in COMPARED}
        for _ in range(trials):
            codes, models = experiment(generator, counts, CUTS, DRAWS)
            for name, (first, other) in COMPARED.items():
                found[name].append(holding(models[first], codes, models.get(other), truths[name]))
        for name, trialled in found.items():
            row = {"series": groups, "interval of": name, "true macro AUROC": truths[name][0]}
            rows.append(row | dict(zip(COLUMNS, np.mean(trialled, axis=0), strict=True)))
    return rows


def truth(generator, counts, experiments):
    """The mean metrics (m,) of many experiments, by what is compared."""
    values = {name: [] for name in COMPARED}
    for _ in range(experiments):
        codes, models = experiment(generator, counts, 1, 1)
        found = {name: intervals.measured(model, codes)[0] for name, model in models.items()}
        metrics = {name: np.array([own[metric].mean() for metric in intervals.METRICS]) for name, own in found.items()}
        for name, (first, other) in COMPARED.items():
            values[name].append(metrics[first] - (metrics[other] if other else 0))
    return {name: np.mean(each, axis=0) for name, each in values.items()}


COLUMNS = [
    "width",
    "held: macro AUROC without training's part",
    *(f"held: {metric.replace('_', ' ').replace('auroc', 'AUROC')}" for metric in intervals.METRICS),
]


def holding(model, codes, other, truths):
    """What COLUMNS name of one trial: the AUROC's width, and whether each interval holds its truth."""
    found = intervals.estimate(model, codes, other)
    alone = intervals.estimate(model, codes, other, training=0)["macro_auroc"]
    held = [_holds(found[metric], value) for metric, value in zip(intervals.METRICS, truths, strict=True)]
    return [found["macro_auroc"]["high"] - found["macro_auroc"]["low"], _holds(alone, truths[0]), *held]


def _holds(cell, truth):
    return cell["low"] <= truth <= cell["high"]


def pooled_predictions(trials):
    """A row for each number of series: how often intervals of a gap in accuracy held the truth, and their widths."""
    generator = np.random.default_rng(0)
    centre = special.expit(0.4 + np.sqrt(1 + 0.7**2) * generator.normal(size=4_000_000)).mean()
    rows = []
    for groups in GROUPS:
        found = []
        for number in range(trials):
            first, second = two_models(generator, groups, centre)
            gap = pooled.estimate([first], [second])[0]
            percentile = percentiles(first, second, number) if "error" in gap else gap
            found += [[[_holds(ends, GAP), ends["high"] - ends["low"]] for ends in (gap, percentile)]]
        (held, width), (share, reach) = np.mean(found, axis=0)
        rows.append({"series": groups, "held, this interval": held, "held, percentile bootstrap": share})
        rows[-1] |= {"width, this interval": width, "width, percentile bootstrap": reach}
    return rows


def percentiles(first, second, seed):
    """The ends of a bootstrap over series of the gap in accuracy between two models' counts (g, c, c)."""

    def gap(times):
        return np.subtract(*(pooled.metrics(np.tensordot(times, side, 1))[..., 0] for side in (first, second)))

    draws = bootstrap.resampled(gap, np.random.default_rng(seed), np.ones(len(first), int), resamples=RESAMPLES)
    return dict(zip(("low", "high"), bootstrap.ends(draws), strict=True))


def two_models(generator, groups, centre):
    """Counts by series of two models, one class with two answers; `centre` is the mean of the chances."""
    sizes = np.exp(generator.uniform(0, np.log(222), groups)).round().astype(int)
    series = np.repeat(np.arange(groups), sizes)
    common = generator.normal(size=groups)
    chances = [special.expit(0.4 + common + 0.7 * generator.normal(size=groups)) for _ in range(2)]
    lifted = generator.random(len(series)) < GAP / (1 - centre)  # brings GAP of all to the first model
    right = [generator.random(len(series)) < chance[series] for chance in chances]
    right[0] = right[0] | (lifted & ~right[0])
    actual = np.zeros(len(series), int)
    return [pooled.counts(actual, (~answered).astype(int), series, 2) for answered in right]


def main():
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.intervals", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="cpu", help="how many trials (default cpu)")
    size = parser.parse_args().size
    trials, experiments = SIZES[size]
    note = (
        f"{trials} trials a row, so a share of 0.95 is known to {1.96 * np.sqrt(0.95 * 0.05 / trials):.3f} either way"
    )
    stopwatch.publish(
        "intervals", size, probes(trials, experiments), [note, f"the truth is of {experiments} experiments"]
    )
    stopwatch.publish("intervals-pooled", size, pooled_predictions(trials), [note])


if __name__ == "__main__":
    main()
