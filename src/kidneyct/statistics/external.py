"""Two models on an external test set: metrics of each and their gap, with intervals over its series."""

import itertools

import numpy as np

from kidneyct.files.rounding import rounded
from kidneyct.pipeline.roles import ROLES
from kidneyct.statistics import bootstrap, evaluation, paired, pooled

RECALL = "recall of "  # and the class
METRICS = ("accuracy", "macro_f1", "recall", "expected_calibration_error", "brier_score")


def measure(codes, predicted, probabilities, series, classes, seed, resamples=bootstrap.RESAMPLES):
    """What `external.json` says of both models on these images.

    `codes` (n,) are positions in `classes`; `predicted`, role -> (n,), are others, of the greatest of `probabilities`,
    role -> (n, classes); `series` (n,) are numbers.

    A metric is a dictionary of value, low and high: a 95 % interval by the percentiles of a bootstrap that draws whole
    series, as `paired.compare`, candidate and control on the same draw. The ends are left out where one series decides.
    Macro F1 is over the classes that are there. A recall of a class without images is None: there is none. The `gap`
    is candidate less control. Calibration is `evaluation.calibrate`'s.
    """
    codes, (names, members) = np.asarray(codes, int), np.unique(series, return_inverse=True)
    sums = {role: _sums(codes, predicted[role], probabilities[role], members) for role in ROLES}

    def statistic(times):
        """Metrics of candidate, control and the gap, (d, 3, m), series taken `times` (d, g)."""
        of_role = []
        for counts, excess, distances in sums.values():
            confusion = np.einsum("dg,gij->dij", times, counts)
            images = confusion.sum(axis=(1, 2))[:, None]
            calibrated = np.abs(times @ excess).sum(axis=1, keepdims=True), (times @ distances)[:, None]
            of_role.append(np.hstack([pooled.metrics(confusion), *(total / images for total in calibrated)]))
        return np.stack([*of_role, of_role[0] - of_role[1]], axis=1)

    ones = np.ones(len(names), int)
    values = statistic(ones[None])[0]
    ends = bootstrap.ends(bootstrap.resampled(statistic, np.random.default_rng(seed), ones, resamples=resamples))
    holding = [len(np.unique(members[codes == code])) for code in range(len(classes))]
    deciding = [len(names), len(names), *holding, len(names), len(names)]  # series, by metric
    *models, gap = (_tree(*each, deciding, classes) for each in zip(values, ends.transpose(1, 2, 0), strict=True))
    return {
        "images": len(codes),
        "series": len(names),
        "classes": {
            name: {"images": int((codes == code).sum()), "series": holding[code]} for code, name in enumerate(classes)
        },
        "missing_classes": [name for name, count in zip(classes, holding, strict=True) if not count],
        "models": {
            role: {"collapsed": len(np.unique(predicted[role])) == 1 < len(np.unique(codes))} | tree
            for role, tree in zip(ROLES, models, strict=True)
        },
        "gap": gap,
        "mcnemar": rounded(paired.discordance(*(predicted[role] == codes for role in ROLES))),
    }


def _sums(codes, predicted, probabilities, members):
    """What every metric is a function of, a row for each series: (g, c, c), (g, bins) and (g,).

    Counts of actual and predicted class; confidence less accuracy in each bin of the reliability chart; Brier scores.
    """
    probabilities = evaluation.normalised(probabilities)
    classes = probabilities.shape[1]
    counts, confidence = pooled.counts(codes, predicted, members, classes), probabilities.max(axis=1)
    edges = np.linspace(0, 1, evaluation.BINS + 1)
    excess = np.zeros((len(counts), evaluation.BINS))
    np.add.at(excess, (members, np.digitize(confidence, edges[1:-1], right=True)), confidence - (predicted == codes))
    distances = np.square(probabilities - np.eye(classes)[codes]).sum(axis=1)
    return counts, excess, np.bincount(members, distances, minlength=len(counts))


def _tree(values, ends, deciding, classes):
    """Metrics (m,) and the ends of their intervals (m, 2) as nested dictionaries; `deciding` series decide each."""
    cells = []
    for value, (low, high), holding in zip(values, ends, deciding, strict=True):
        cell = rounded({"value": value} | ({"low": low, "high": high} if holding > 1 else {}))
        cells.append(cell if holding else None)
    accuracy, macro_f1, *recalls, error, brier = cells
    return dict(zip(METRICS, (accuracy, macro_f1, dict(zip(classes, recalls, strict=True)), error, brier), strict=True))


def beside(measured, evaluations):
    """A line for each metric and role: its value on the external images, low and high, and on the study's own test's.

    `measured` is `measure`'s, `evaluations` role -> evaluation.json; an undefined number is None.
    """
    lines = []
    for name, role in itertools.product(METRICS, ROLES):
        external, own = measured["models"][role][name], evaluations[role]
        cells = {name: (external, own.get(name))}
        if name == "recall":
            cells = {RECALL + label: (cell or {}, own["classes"][label]["recall"]) for label, cell in external.items()}
        for title, (cell, value) in cells.items():
            lines.append((title, role, *map(cell.get, ("value", "low", "high")), value))
    return lines
