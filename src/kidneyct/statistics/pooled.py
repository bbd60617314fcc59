"""Models whose predictions were pooled over folds, so that every series is tested once: metrics, gaps, intervals.

A model comes as counts of its predictions by series, (g, c, c): series, actual class, predicted class. Series are what
is independent: an interval speaks of other series of the same kind, not of other images.
"""

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from kidneyct.files.rounding import rounded
from kidneyct.statistics import bootstrap
from kidneyct.statistics.bootstrap import LEVEL, RESAMPLES

POWER = 0.8
ALIKE = 1e-9  # an error below it is rounding: every series says the same
GAPS = (0.05, 0.10)  # for which the number of series is told that would show them


def counts(actual, predicted, series, classes):
    """How many images of each series have which actual and which predicted class, (g, c, c), from three (n,) codes."""
    _, members = np.unique(series, return_inverse=True)
    table = np.zeros((members.max() + 1, classes, classes))
    np.add.at(table, (members, np.asarray(actual, int), np.asarray(predicted, int)), 1)
    return table


def names(classes):
    """What `metrics` gives, in order."""
    return ["accuracy", "macro_f1", *(f"recall of {label}" for label in classes)]


def metrics(confusion):
    """Accuracy, macro F1 and recalls of confusion matrices (..., c, c): (..., 2 + c).

    Macro F1 is over the classes that are there; the recall of one that is not is NaN.
    """
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)  # (..., c)
    correct = np.diagonal(confusion, axis1=-2, axis2=-1)
    there = support > 0
    f1 = np.divide(2 * correct, support + predicted, out=np.zeros_like(correct), where=support + predicted > 0)
    macro_f1 = np.where(there, f1, 0).sum(axis=-1) / there.sum(axis=-1)
    recall = np.divide(correct, support, out=np.full_like(correct, np.nan), where=there)
    accuracy = correct.sum(axis=-1) / support.sum(axis=-1)
    return np.concatenate([accuracy[..., None], macro_f1[..., None], recall], axis=-1)


def estimate(models, against=None, seed=0, resamples=RESAMPLES):
    """Metrics of a model, or their gap to another on the same images, with intervals over series and seeds.

    `models` is a list of counts (g, c, c), one for each training seed; `against` another such list, of the same seeds
    and series, whose metrics are taken off. Returns a dictionary for each metric: value; low, high, error and freedom,
    `interval`'s; and percentile_low and percentile_high of a bootstrap that draws series, and seeds where there are
    several (Field & Welsh 2007). A metric that is right, or wrong, in every series has low and high alone, `bounds`'s
    of the effective number of series; one that a single series decides, or that is else the same in every series, has
    the value alone.
    """
    sides = [np.stack(models)] if against is None else [np.stack(models), np.stack(against)]  # (s, g, c, c)
    seeds, groups = sides[0].shape[:2]

    def statistic(times, chosen):
        """Of series taken `times` (d, g) and seeds taken as often as `chosen` (d, s) says: (d, m)."""
        measured = [metrics(np.einsum("dg,sgij->dsij", times, side)) for side in sides]  # (d, s, m)
        each = measured[0] if against is None else measured[0] - measured[1]
        return np.einsum("ds,dsm->dm", chosen / chosen.sum(axis=-1, keepdims=True), each)

    value = statistic(np.ones((1, groups)), np.ones((1, seeds)))[0]
    by_seed = statistic(np.ones((seeds, groups)), np.eye(seeds))
    if groups == 1:
        return [rounded({"value": each}) for each in value]
    without = statistic(1 - np.eye(groups), np.ones((groups, seeds)))
    deciding = _deciding(sides[0][0])
    low, high, error, freedom = interval(value, without, by_seed, [series_freedom(sizes) for sizes in deciding])
    if against is None:  # Student's interval knows nothing of 0 and 1
        low, high = np.maximum(low, 0), np.minimum(high, 1)
    drawn = np.ones(groups, int), np.ones(seeds, int)
    ends = bootstrap.ends(bootstrap.resampled(statistic, np.random.default_rng(seed), *drawn, resamples=resamples))
    columns = {
        "low": low,
        "high": high,
        "error": error,
        "freedom": freedom,
        "percentile_low": ends[0],
        "percentile_high": ends[1],
    }
    return [
        rounded(
            {"value": each}
            | (
                {name: values[number] for name, values in columns.items()}
                if error[number] > ALIKE
                else bounds(each, effective_number(deciding[number]), against is not None)
            )
        )
        for number, each in enumerate(value)
    ]


def _deciding(counted):
    """The series' images behind each metric, (g,) each, from counts (g, c, c); a recall's are its class's."""
    by_class = counted.sum(axis=2)  # (g, c)
    return [by_class.sum(axis=1)] * 2 + list(by_class.T)


def effective_number(sizes):
    """How many series of one size know as much as these of `sizes` (g,) images (Kish 1965): (Σn)² / Σn²."""
    return float(sizes.sum() ** 2 / max(np.square(sizes).sum(), 1))


def series_freedom(sizes):
    """Satterthwaite's degrees of freedom of a variance over series of `sizes` (g,) images: (Σn²)² / Σn⁴.

    At most the number of series less 1, and at least 1.
    """
    known = np.square(sizes).sum() ** 2 / max(np.power(sizes, 4).sum(), 1)
    return float(max(1, min(known, np.count_nonzero(sizes) - 1)))


def bounds(value, number, gap=False):
    """low and high of a share of 0 or 1 over a `number` of series, or of a gap of 0, that no series differs from.

    So many series hide a share of errors up to nearly 3 / number (rule of three, Hanley & Lippman-Hand 1983). Nothing
    for another value, or one series.
    """
    if number <= 1:
        return {}
    hidden = 1 - ((1 - LEVEL) / (2 if gap else 1)) ** (1 / number)
    ends = {0.0: (-hidden, hidden)} if gap else {0.0: (0, hidden), 1.0: (1 - hidden, 1)}
    low, high = ends.get(round(float(value), 9), (None, None))
    return {} if low is None else {"low": low, "high": high}


def interval(value, without, by_seed, of_series):
    """Lower and upper end, standard error and degrees of freedom of a statistic (m,), each (m,).

    `without` (g, m) is the statistic without each series in turn, `by_seed` (s, m) that of each seed alone, `of_series`
    (m,) the degrees of freedom of what varies by series. The standard error is the delete-one jackknife's over series
    (Efron & Stein 1981), with what seeds add where there are several; the interval is Student's. With few and uneven
    series it is wider than the percentile bootstrap's and holds the truth nearer to as often as it says
    (benchmarks/intervals.py).
    """
    seeds = len(by_seed)
    variances, freedoms = [jackknife(without)], [np.asarray(of_series, float)]
    if seeds > 1:
        variances.append(by_seed.var(axis=0, ddof=1) / seeds)
        freedoms.append(seeds - 1)
    variance, freedom = combined(variances, freedoms)
    error = np.sqrt(variance)
    reach = stats.t.ppf((1 + LEVEL) / 2, freedom) * error
    return value - reach, value + reach, error, freedom


def jackknife(without):
    """The variance (...) of a statistic whose values without each series in turn are (g, ...) (Efron & Stein 1981)."""
    return (len(without) - 1) / len(without) * np.square(without - without.mean(axis=0)).sum(axis=0)


def combined(variances, freedoms):
    """The sum of independent variances and its degrees of freedom (Satterthwaite 1946); the first's where it is 0."""
    variance = np.sum(variances, axis=0)
    spread = np.sum([part**2 / freedom for part, freedom in zip(variances, freedoms, strict=True)], axis=0)
    return variance, np.where(spread > 0, variance**2 / np.where(spread > 0, spread, 1), freedoms[0])


def p_value(gap):
    """Two-sided p of an estimated gap that has an error, by Student's t."""
    return float(2 * stats.t.sf(abs(gap["value"]) / gap["error"], gap["freedom"]))


def holm(p_values):
    """The same, corrected for so many comparisons (Holm 1979)."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def series_needed(gap, groups):
    """How many series would show a gap of GAPS with POWER at a two-sided 5 %: gap in points -> number.

    From an estimated gap over `groups` series, whose error shrinks with the root of their number: for series like
    these, each tested once, and two models as unlike as these.
    """
    reach = stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER)
    return {f"{100 * each:.0f}_points": int(np.ceil(groups * (reach * gap["error"] / each) ** 2)) for each in GAPS}
