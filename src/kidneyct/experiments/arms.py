"""The arms of a study, each series tested once: every arm by itself, against the control and against each other."""

import itertools

import numpy as np
import pandas as pd

from kidneyct.experiments import probing
from kidneyct.files import index, tables
from kidneyct.pipeline.roles import ROLES
from kidneyct.statistics import pooled

CANDIDATE, CONTROL = ROLES
NOT_ITS_CONTROL = ("weights", "model.transferred_blocks")  # parameters that change an arm and not its control


def summarise(outcomes, starts, classes):
    """One way of splitting: what `study.json` says of it.

    `outcomes` is arm -> {seed: (table, trainings)}: of each image tested its image, label, series, and what candidate,
    control and baselines took it for; and of each fold how both roles were trained. `starts` is arm -> its weights, and
    other parameters that not all arms have. Arms whose images or seeds differ from the first's are left out of the
    comparison and named under `incomplete`.
    """
    first = next(iter(outcomes.values()))
    alike = {arm: seeds for arm, seeds in outcomes.items() if _same_images(seeds, first)}
    tables = {arm: [table.sort_values("image") for table, _ in seeds.values()] for arm, seeds in alike.items()}
    some = next(iter(tables.values()))
    groups = some[0]["series"].nunique()

    def estimates(own, against=None):
        """The classes are under `recall`, so that no class name can be taken for a metric."""
        accuracy, macro_f1, *recall = pooled.estimate(own, against)
        return {"accuracy": accuracy, "macro_f1": macro_f1, "recall": dict(zip(classes, recall, strict=True))}

    def against_baselines(own):
        return {name: estimates(own, counted) for name, counted in baselines.items()}

    baselines = {name: _counts(some, name, classes) for name in index.BASELINES}
    models = {arm: _counts(own, CANDIDATE, classes) for arm, own in tables.items()}
    controls = {arm: _counts(own, CONTROL, classes) for arm, own in tables.items()}
    named, control_of = _controls(controls, starts)
    against = {arm: estimates(models[arm], controls[arm]) for arm in models}
    pairs = {
        f"{one} - {other}": estimates(models[one], models[other]) for one, other in itertools.combinations(models, 2)
    }
    for gaps in (against, pairs):
        _test(gaps, groups)
    return {
        "images": len(some[0]),
        "series": groups,
        "seeds": len(some),
        "incomplete": sorted(set(outcomes) - set(alike)),
        "baselines": {name: estimates(counted) for name, counted in baselines.items()},
        "controls": {
            name: estimates(own)
            | _trained(next(alike[arm] for arm, control in control_of.items() if control == name), CONTROL)
            | {"against_baselines": against_baselines(own)}
            for name, own in named.items()
        },
        "arms": {
            arm: estimates(models[arm])
            | _trained(alike[arm], CANDIDATE)
            | {"control": control_of[arm], "against_control": against[arm]}
            | {"against_baselines": against_baselines(models[arm])}
            for arm in models
        },
        "pairs": pairs,
    }


def _same_images(seeds, first):
    return seeds.keys() == first.keys() and all(
        set(table["image"]) == set(first[seed][0]["image"]) for seed, (table, _) in seeds.items()
    )


def _counts(tables, column, classes):
    """Counts by series for each seed's table: a model's, or a baseline's."""
    return [
        pooled.counts(
            index.codes(table["label"], classes), index.codes(table[column], classes), table["series"], len(classes)
        )
        for table in tables
    ]


def _controls(controls, starts):
    """The different controls, name -> counts, and which an arm has: arms that share a control's parameters share it.

    Controls of other parameters stay apart even where they are right about the same images.
    """
    made_with = {
        arm: {key: value for key, value in own.items() if key not in NOT_ITS_CONTROL} for arm, own in starts.items()
    }
    named, control_of = {}, {}
    for arm, own in controls.items():
        same = [
            other
            for other in control_of
            if made_with[other] == made_with[arm] and all(map(np.array_equal, own, controls[other]))
        ]
        name = control_of[same[0]] if same else "control" if not named else f"control of {arm}"
        named.setdefault(name, own)
        control_of[arm] = name
    return named, control_of


def _test(gaps, groups):
    """Add p, p_holm (over the gaps) and series_needed to each gap in accuracy and macro F1 that has an error."""
    for metric in ("accuracy", "macro_f1"):
        for name, tested in probing.family({name: gap[metric] for name, gap in gaps.items()}).items():
            needed = {"series_needed": pooled.series_needed(tested, groups)} if "error" in tested else {}
            gaps[name][metric] = tested | needed


def _trained(seeds, role):
    """How an arm was trained: its runs, unstopped, collapsed and untrained ones, the mean accuracy on training images
    at the epochs kept, and how often which learning rate was kept.

    `rate_at_edge` counts the runs that kept the lowest or highest of several rates: one beyond may be better.
    """
    trainings = [training[role] for _, folds in seeds.values() for training in folds]
    rates = [f"{training['learning_rate']:g}" for training in trainings]
    return {
        "runs": len(trainings),
        "unstopped": sum(not training["stopped"] for training in trainings),
        "collapsed": sum(training["collapsed"] for training in trainings),
        "untrained": sum(training["untrained"] for training in trainings),
        "training_accuracy": round(float(np.mean([training["training_accuracy"] for training in trainings])), 6),
        "rate_at_edge": {edge: sum(training["edge"] == edge for training in trainings) for edge in tables.BEYOND},
        "learning_rates": {rate: rates.count(rate) for rate in sorted(set(rates), key=float)},
    }


def table(splits):
    """The same as a table: a line for each split, model and metric, its value and interval, and its gap's.

    Of what was trained also the share of runs that kept the lowest, and the highest, of several learning rates.
    """
    rows = []
    for split, result in splits.items():
        for kind in ("arms", "controls", "baselines"):
            for model, estimates in result[kind].items():
                gaps = estimates.get("against_control", {})
                for metric, estimate in _flat(estimates):
                    gap = dict(_flat(gaps)).get(metric, {})
                    rows.append(
                        {"split": split, "kind": kind[:-1], "model": model, "metric": metric}
                        | {end: estimate.get(end) for end in ("value", "low", "high")}
                        | {"gap": gap.get("value"), "gap_low": gap.get("low"), "gap_high": gap.get("high")}
                        | {"p_holm": gap.get("p_holm")}
                    )
                for edge, count in estimates.get("rate_at_edge", {}).items():
                    of_runs = {"metric": f"runs that kept the {edge} rate", "value": count / estimates["runs"]}
                    rows.append({"split": split, "kind": kind[:-1], "model": model} | of_runs)
    return pd.DataFrame(rows)


def _flat(estimates):
    """(metric, estimate) pairs of estimates with the classes under `recall`."""
    pairs = [(metric, estimates[metric]) for metric in ("accuracy", "macro_f1") if metric in estimates]
    return pairs + [(f"recall of {label}", estimate) for label, estimate in estimates.get("recall", {}).items()]
