"""The arms of a study, each series tested once: every arm by itself and against the control."""

import itertools

import numpy as np
import pandas as pd

from kidneyct.experiments import intervals
from kidneyct.files import index, tables
from kidneyct.files.predictions import PROBABILITY
from kidneyct.pipeline.roles import ROLES
from kidneyct.probe import probe
from kidneyct.statistics import pooled

CANDIDATE, CONTROL = ROLES
METRICS = ("accuracy", "macro_f1", "macro_auroc")  # the last of whole series, by mean probability
ENDS = ("value", "low", "high")
COLUMNS = ("split", "kind", "model", "metric", *ENDS, "gap", "gap_low", "gap_high", "p_holm")


def summarise(outcomes, classes):
    """One way of splitting: what `study.json` says of it.

    `outcomes` is arm -> {seed: (table, trainings)}, as `study.outcome` has them, the folds of a seed together. Arms
    whose images or seeds differ from the first's are left out and named under `incomplete`. Arms share a control where
    neither its answers nor its trainings differ.
    """

    def images(seeds):
        return {seed: set(table["image"]) for seed, (table, _) in seeds.items()}

    first = next(iter(outcomes.values()))
    alike = {arm: seeds for arm, seeds in outcomes.items() if images(seeds) == images(first)}
    some = next(table for table, _ in first.values())
    counts = {role: {arm: _counts(own, role, classes) for arm, own in alike.items()} for role in ROLES}
    baselines = {name: _counts(first, name, classes) for name in index.BASELINES}
    trained = {role: {arm: _trained(own, role) for arm, own in alike.items()} for role in ROLES}
    scores = {role: {arm: _of_series(own, role, classes) for arm, own in alike.items()} for role in ROLES}
    names, control_of = {}, {}
    for arm, own in counts[CONTROL].items():
        made_of = repr(trained[CONTROL][arm]), *(counted.tobytes() for counted in own)
        control_of[arm] = names.setdefault(made_of, f"control of {arm}" if names else "control")

    def estimates(own, against=None):
        """The classes are under `recall`, so that no class name can be taken for a metric."""
        accuracy, macro_f1, *recall = pooled.estimate(own, against)
        return {"accuracy": accuracy, "macro_f1": macro_f1, "recall": dict(zip(classes, recall, strict=True))}

    def model(*sides):
        """Estimates of an arm in a role, or its gaps to another."""
        (own, codes), *other = (scores[role][arm] for arm, role in sides)
        auroc = intervals.estimate(own, codes, *(values for values, _ in other))["macro_auroc"]
        return estimates(*(counts[role][arm] for arm, role in sides)) | {"macro_auroc": auroc}

    def told(arm, role, **more):
        less = {name: estimates(counts[role][arm], counted) for name, counted in baselines.items()}
        return model((arm, role)) | trained[role][arm] | more | {"against_baselines": less}

    against = {arm: model((arm, CANDIDATE), (arm, CONTROL)) for arm in alike}
    for metric in METRICS:
        for name, tested in pooled.family({name: gap[metric] for name, gap in against.items()}).items():
            against[name][metric] = tested
    return {
        "images": len(some),
        "series": some["series"].nunique(),
        "seeds": len(first),
        "incomplete": sorted(set(outcomes) - set(alike)),
        "baselines": {name: estimates(counted) for name, counted in baselines.items()},
        "controls": {name: told(arm, CONTROL) for arm, name in control_of.items()},
        "arms": {
            arm: told(arm, CANDIDATE, control=control, against_control=against[arm])
            for arm, control in control_of.items()
        },
    }


def _counts(seeds, column, classes):
    """Counts by series for each seed's table: a model's, or a baseline's."""
    return [
        pooled.counts(*(index.codes(table[name], classes) for name in ("label", column)), table["series"], len(classes))
        for table, _ in seeds.values()
    ]


def _of_series(seeds, role, classes):
    """Mean probabilities of whole series (seeds, 1, g, k) by a role's model, and their classes (g,)."""
    columns = [f"{role}: {PROBABILITY}{label}" for label in classes]
    sides = [
        probe.by_series(table[columns].to_numpy(float), index.codes(table["label"], classes), table["series"])
        for table, _ in seeds.values()
    ]
    return np.stack([probabilities for probabilities, _ in sides])[:, None], sides[0][1]


def _trained(seeds, role):
    """How an arm was trained: its runs, unstopped, collapsed and untrained ones, the mean accuracy on training images
    at the epochs kept, and how often which learning rate was kept.

    `rate_at_edge` counts the runs that kept the lowest or highest of several rates: one beyond may be better.
    """
    trainings = pd.DataFrame([training[role] for _, folds in seeds.values() for training in folds])
    rates = trainings["learning_rate"].value_counts().sort_index()
    return {
        "runs": len(trainings),
        "unstopped": int((~trainings["stopped"]).sum()),
        "collapsed": int(trainings["collapsed"].sum()),
        "untrained": int(trainings["untrained"].sum()),
        "training_accuracy": round(float(trainings["training_accuracy"].mean()), 6),
        "rate_at_edge": {edge: int((trainings["edge"] == edge).sum()) for edge in tables.BEYOND},
        "learning_rates": {f"{rate:g}": int(count) for rate, count in rates.items()},
    }


def table(splits):
    """The same as a table: a line for each split, model and metric, its value and interval, and its gap's."""
    rows = []
    for (split, result), kind in itertools.product(splits.items(), ("arms", "controls", "baselines")):
        for model, estimates in result[kind].items():
            gaps = _flat(estimates.get("against_control", {}))
            for metric, estimate in _flat(estimates).items():
                values = [estimate.get(end) for end in ENDS]
                gap = [gaps.get(metric, {}).get(end) for end in (*ENDS, "p_holm")]
                rows.append((split, kind[:-1], model, metric, *values, *gap))
    return pd.DataFrame(rows, columns=COLUMNS)


def _flat(estimates):
    """Metric -> estimate, of estimates with the classes under `recall`."""
    recalls = {f"recall of {label}": estimate for label, estimate in estimates.get("recall", {}).items()}
    return {metric: estimates[metric] for metric in METRICS if metric in estimates} | recalls
