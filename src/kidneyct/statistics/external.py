"""Two models on an external test set: metrics of each and their gap, with intervals over its series."""

import numpy as np

from kidneyct.files.rounding import rounded
from kidneyct.pipeline.roles import ROLES
from kidneyct.statistics import calibration, paired, pooled

RECALL = "recall of "  # and the class


def measure(codes, predicted, probabilities, series, classes, seed, resamples=paired.RESAMPLES):
    """What `external.json` says of both models on these images.

    `codes` (n,) are positions in `classes`; `predicted`, role -> (n,), are others, of the greatest of `probabilities`,
    role -> (n, classes); `series` (n,) are numbers.

    A metric is a dictionary of value, low and high: a 95 % interval by the percentiles of a bootstrap that draws whole
    series, as `paired.compare`, candidate and control on the same draw. The ends are left out where one series decides.
    Macro F1 is over the classes that are there. A recall of a class without images is None: there is none. The `gap`
    is candidate less control. Calibration is `calibration.calibrate`'s.
    """
    codes, (names, members) = np.asarray(codes, int), np.unique(series, return_inverse=True)
    sums = {role: _sums(codes, predicted[role], probabilities[role], members) for role in ROLES}
    values = {role: _statistic(np.ones((1, len(names))), sums[role])[0] for role in ROLES}
    draws = {role: [] for role in ROLES}
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, paired.BLOCK):
        size = min(paired.BLOCK, resamples - start)
        times = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size).astype(float)
        for role in ROLES:
            draws[role].append(_statistic(times, sums[role]))
    draws = {role: np.concatenate(blocks) for role, blocks in draws.items()}  # (resamples, metrics)
    holding = [len(np.unique(members[codes == code])) for code in range(len(classes))]
    deciding = [len(names), len(names), *holding, len(names), len(names)]  # series, by metric
    candidate, control = ROLES
    return {
        "images": len(codes),
        "series": len(names),
        "classes": {
            name: {"images": int((codes == code).sum()), "series": holding[code]} for code, name in enumerate(classes)
        },
        "missing_classes": [name for name, count in zip(classes, holding, strict=True) if not count],
        "models": {
            role: {"collapsed": len(np.unique(predicted[role])) == 1}
            | _tree(values[role], draws[role], deciding, classes)
            for role in ROLES
        },
        "gap": _tree(values[candidate] - values[control], draws[candidate] - draws[control], deciding, classes),
        "mcnemar": rounded(paired.discordance(predicted[candidate] == codes, predicted[control] == codes)),
    }


def _sums(codes, predicted, probabilities, members):
    """What every metric is a function of, a row for each series: (g, c, c), (g, bins) and (g,).

    Counts of actual and predicted class; confidence less accuracy in each bin of the reliability chart; Brier scores.
    """
    probabilities = np.asarray(probabilities, float)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    classes = probabilities.shape[1]
    counts, confidence = pooled.counts(codes, predicted, members, classes), probabilities.max(axis=1)
    edges = np.linspace(0, 1, calibration.BINS + 1)
    excess = np.zeros((len(counts), calibration.BINS))
    np.add.at(excess, (members, np.digitize(confidence, edges[1:-1], right=True)), confidence - (predicted == codes))
    distances = np.square(probabilities - np.eye(classes)[codes]).sum(axis=1)
    return counts, excess, np.bincount(members, distances, minlength=len(counts))


def _statistic(times, sums):
    """Accuracy, macro F1, recalls, calibration error and Brier score (d, 2 + c + 2), series taken `times` (d, g)."""
    counts, excess, distances = sums
    confusion = np.einsum("dg,gij->dij", times, counts)
    images = confusion.sum(axis=(1, 2))[:, None]
    error = np.abs(times @ excess).sum(axis=1, keepdims=True) / images
    return np.concatenate([pooled.metrics(confusion), error, (times @ distances)[:, None] / images], axis=1)


def _tree(values, draws, deciding, classes):
    """Metrics (m,) and their draws (d, m) as nested dictionaries; `deciding` is how many series decide each."""
    ends = [(1 - paired.LEVEL) / 2, (1 + paired.LEVEL) / 2]
    names = [*pooled.names(classes), "expected_calibration_error", "brier_score"]
    tree = {}
    for number, name in enumerate(names):
        cell = {"value": values[number]}
        if deciding[number] > 1:
            cell |= dict(zip(("low", "high"), np.nanquantile(draws[:, number], ends), strict=True))
        cell = rounded(cell) if deciding[number] else None
        if 2 <= number < 2 + len(classes):  # after accuracy and macro F1
            tree.setdefault("recall", {})[classes[number - 2]] = cell
        else:
            tree[name] = cell
    return tree


def beside(measured, evaluations):
    """A line for each metric and role: its value on the external images, low and high, and on the study's own test's.

    `measured` is `measure`'s, `evaluations` role -> evaluation.json; an undefined number is None.
    """
    lines = []
    for name in ("accuracy", "macro_f1", "recall", "expected_calibration_error", "brier_score"):
        for role in ROLES:
            external, own = measured["models"][role][name], evaluations[role].get(name)
            if name == "recall":
                own = {label: values["recall"] for label, values in evaluations[role]["classes"].items()}
                cells = [(RECALL + label, cell, own[label]) for label, cell in external.items()]
            else:
                cells = [(name, external, own)]
            for title, cell, value in cells:
                found = [(cell or {}).get(key) for key in ("value", "low", "high")]
                lines.append((title, role, *found, value))
    return lines


def told(result):
    """external.json in a line or two."""
    accuracy = {role: result["models"][role]["accuracy"]["value"] for role in ROLES}
    missing = f", none of class {', '.join(result['missing_classes'])}" if result["missing_classes"] else ""
    near = result["near_duplicates"]
    return (
        f"external: {result['images']} images of {result['series']} series{missing}; accuracy "
        f"{', '.join(f'{value:.4f} ({role})' for role, value in accuracy.items())}; near-duplicates of the study's "
        f"images {near['study']}, of these {near['training']} of training images: see data/external/images.csv"
    )
