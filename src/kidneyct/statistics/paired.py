"""Do two models differ on the same test images? Intervals over series, McNemar's test, and how far they agree."""

import numpy as np
from statsmodels.stats.contingency_tables import mcnemar

from kidneyct.files.rounding import rounded
from kidneyct.statistics import bootstrap, pooled


def compare(codes, candidate, control, series, classes, seed, resamples=bootstrap.RESAMPLES):
    """Candidate minus control: gaps with 95 % intervals, McNemar's exact test, and both for each class.

    `codes`, `candidate` and `control` (n,) are actual and predicted positions in `classes`, `series` (n,) numbers.

    `gap_low` and `gap_high` are percentiles of a bootstrap that draws whole series, both models on the same draw. With
    few series they lie too close together, as `bootstrap.COVERAGE` says. What lies in one series has none: the keys are
    left out, not null, since DVC's tables show a missing number as missing. `gap_low_imagewise` and
    `gap_high_imagewise` draw images as if they were independent, for comparison.

    McNemar's test (`p`, two-sided, exact; 0 means below 5e-7) counts the images that only one model gets right. It
    takes the images as independent, which slices are not: a small `p` with an interval around zero speaks of few
    series, not of a difference. `p_holm` is a class's p corrected for the number of classes (Holm 1979).
    """
    codes, candidate, control = (np.asarray(values, int) for values in (codes, candidate, control))
    _, series = np.unique(series, return_inverse=True)
    tables = np.zeros((series.max() + 1, *[len(classes)] * 3))  # images by actual class and both predictions
    np.add.at(tables, (series, codes, candidate, control), 1)
    flat, total, generator = tables.reshape(len(tables), -1), tables.sum(axis=0), np.random.default_rng(seed)

    def drawn(statistic, counts):
        return bootstrap.ends(bootstrap.resampled(statistic, generator, counts.astype(int), resamples=resamples))

    measured = gaps(total)  # (2 + c,)
    over_series = drawn(lambda times: gaps((times @ flat).reshape(-1, *total.shape)), np.ones(len(tables)))
    over_images = drawn(lambda times: gaps(times.reshape(-1, *total.shape)), total.ravel())

    def by_series(number, holding):
        return {"gap_low": over_series[0, number], "gap_high": over_series[1, number]} if holding > 1 else {}

    def by_images(number):
        return {"gap_low_imagewise": over_images[0, number], "gap_high_imagewise": over_images[1, number]}

    of_class = [codes == code for code in range(len(classes))]
    tests = [discordance(candidate[chosen] == code, control[chosen] == code) for code, chosen in enumerate(of_class)]
    holm = pooled.holm([test["p"] for test in tests])
    by_class = {}
    for code, name in enumerate(classes):
        number, holding = 2 + code, len(np.unique(series[of_class[code]]))
        recall = {"gap": measured[number]} | by_images(number) | by_series(number, holding) if holding else {}
        by_class[name] = {
            "images": int(of_class[code].sum()),
            "series": holding,
            "recall": recall,
            "mcnemar": tests[code] | {"p_holm": holm[code]},
        }
    return rounded(
        {"images": len(codes), "series": len(tables)}
        | {
            metric: {"gap": measured[number]} | by_series(number, len(tables)) | by_images(number)
            for number, metric in enumerate(("accuracy", "macro_f1"))
        }
        | {"mcnemar": discordance(codes == candidate, codes == control), "classes": by_class}
    )


def gaps(tables):
    """Candidate minus control in `pooled.metrics`, (..., 2 + c), of counts (..., c, c, c) as in `compare`."""
    return pooled.metrics(tables.sum(axis=-1)) - pooled.metrics(tables.sum(axis=-2))


def discordance(candidate_right, control_right):
    """McNemar's exact test of two (n,) bool: the images only one model gets right, and the two-sided p."""
    first = int(np.sum(candidate_right & ~control_right))
    second = int(np.sum(control_right & ~candidate_right))
    p = mcnemar([[0, first], [second, 0]], exact=True).pvalue
    return {"candidate_only": first, "control_only": second, "p": p}


def agreement(codes, candidate, control, classes):
    """How alike two models' predictions are, beside what would be expected of two that have nothing in common.

    `codes`, `candidate` and `control` (n,) are actual and predicted positions among so many `classes`.

    `same_class` is the share of images for which both predict one class; `expected` what their predictions' shares of
    the classes would give by chance, and `kappa` what lies between the two (Cohen 1960). `both_right_or_wrong` is the
    share of images that both get right or both get wrong; `expected` what two models of these accuracies would give if
    their errors were independent, and `kappa` the error consistency of Geirhos et al. 2020 (section 2.1): 0 where the
    errors are independent, 1 where they fall on the same images. A kappa is left out where chance leaves no room.
    """
    codes, candidate, control = (np.asarray(values, int) for values in (codes, candidate, control))
    shares = [np.bincount(predicted, minlength=classes) / len(codes) for predicted in (candidate, control)]
    right = candidate == codes, control == codes
    accuracies = np.mean(right, axis=1)
    return rounded(
        {
            "same_class": _beside_chance(np.mean(candidate == control), np.dot(*shares)),
            "both_right_or_wrong": _beside_chance(
                np.mean(right[0] == right[1]), np.prod(accuracies) + np.prod(1 - accuracies)
            ),
        }
    )


def _beside_chance(observed, expected):
    kappa = {"kappa": (observed - expected) / (1 - expected)} if expected < 1 else {}
    return {"observed": observed, "expected": expected} | kappa
