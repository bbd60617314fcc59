"""Models whose predictions were pooled over folds, so that every series is tested once: metrics, gaps, intervals.

A model comes as counts of its predictions by series, (g, c, c): series, actual class, predicted class. Series are what
is independent: an interval speaks of other series of the same kind, not of other images.
"""

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

from kidneyct.files.rounding import rounded
from kidneyct.statistics.bootstrap import LEVEL

ALIKE = 1e-9  # an error below it is rounding: every series says the same


def counts(actual, predicted, series, classes):
    """How many images of each series have which actual and which predicted class, (g, c, c), from three (n,) codes."""
    _, members = np.unique(series, return_inverse=True)
    table = np.zeros((members.max() + 1, classes, classes))
    np.add.at(table, (members, np.asarray(actual, int), np.asarray(predicted, int)), 1)
    return table


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


def estimate(models, against=None):
    """Metrics of a model, or their gap to another on the same images, with intervals over series and seeds.

    `models` is a list of counts (g, c, c), one for each training seed; `against` another such list, of the same seeds
    and series, whose metrics are taken off. Returns a dictionary for each metric: value; its standard error, the
    delete-one jackknife's over series (Efron & Stein 1981) with what seeds add where there are several; its degrees of
    freedom; and low and high, the ends of Student's interval. Where every series is right, or every one wrong, low and
    high are `bounds`'s for the effective number of series, and there is no error. Where a single series decides, or all
    say the same otherwise, the value stands alone.
    """
    sides = [np.stack(counted) for counted in (models, against) if counted is not None]  # (s, g, c, c)

    def measured(counted):
        return np.subtract.reduce([metrics(side) for side in counted])

    by_seed = measured([side.sum(axis=1) for side in sides])  # (s, m)
    value = by_seed.mean(axis=0)
    if sides[0].shape[1] == 1:
        return [rounded({"value": single}) for single in value]
    without = measured([side.sum(axis=1, keepdims=True) - side for side in sides]).mean(axis=0)  # (g, m)
    of_series, effective = _known(sides[0][0])
    variance, freedom = combined([(jackknife(without), of_series), *of_means(by_seed)])
    error = np.sqrt(variance)
    low, high = value + error * stats.t.ppf((1 + LEVEL) / 2, freedom) * np.array([[-1], [1]])
    if against is None:  # Student's interval knows nothing of 0 and 1
        low, high = np.maximum(low, 0), np.minimum(high, 1)
    result = []
    for number, single in enumerate(value):
        ends = {"low": low[number], "high": high[number], "error": error[number], "freedom": freedom[number]}
        if not error[number] > ALIKE:  # nor where it is NaN
            ends = bounds(single, effective[number], against is not None)
        result.append(rounded({"value": single} | ends))
    return result


def _known(counted):
    """What series with counts (g, c, c) know of each metric: degrees of freedom (m,) and an effective number (m,).

    By the n images that each has, of a recall those of its class. Satterthwaite's degrees of freedom of a variance over
    series, (Σn²)² / Σn⁴, are at most the number of series less 1, and at least 1. The number of series of one size that
    know as much is (Σn)² / Σn² (Kish 1965).
    """
    by_class = counted.sum(axis=2)  # (g, c)
    total = by_class.sum(axis=1, keepdims=True)
    sizes = np.hstack([total, total, by_class])  # (g, m)
    squares, fourths = (np.power(sizes, power).sum(axis=0) for power in (2, 4))
    freedom = np.minimum(squares**2 / np.maximum(fourths, 1), np.count_nonzero(sizes, axis=0) - 1)
    return np.maximum(freedom, 1), sizes.sum(axis=0) ** 2 / np.maximum(squares, 1)


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


def jackknife(without):
    """The variance (...) of a statistic whose values without each series in turn are (g, ...) (Efron & Stein 1981)."""
    return (len(without) - 1) / len(without) * np.square(without - without.mean(axis=0)).sum(axis=0)


def of_means(*samples):
    """The variance of each sample's (s, ...) mean and its degrees of freedom; of samples of several values only."""
    return [(sample.var(axis=0, ddof=1) / len(sample), len(sample) - 1) for sample in samples if len(sample) > 1]


def combined(parts):
    """The sum of independent variances and its degrees of freedom (Satterthwaite 1946), from pairs of both.

    Where it is 0 the first's freedom.
    """
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    return variance, np.where(spread > 0, variance**2 / np.where(spread > 0, spread, 1), parts[0][1])


def holm(p_values):
    """The same, corrected for so many comparisons (Holm 1979)."""
    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def family(gaps):
    """Estimated gaps of one metric by name, those that have an error with their p values, as one family.

    `p` is two-sided, by Student's t, `p_holm` the same corrected for the family (Holm 1979).
    """
    tested = {name: gap for name, gap in gaps.items() if "error" in gap}
    p_values = [float(2 * stats.t.sf(abs(gap["value"]) / gap["error"], gap["freedom"])) for gap in tested.values()]
    result = gaps.copy()
    for (name, gap), p, p_holm in zip(tested.items(), p_values, holm(p_values), strict=True):
        result[name] = gap | rounded({"p": p, "p_holm": p_holm})
    return result
