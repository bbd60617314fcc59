"""Tables over finished runs: side by side as they are, or over one parameter with the repeats averaged."""

import json
from collections import Counter

import pandas as pd

from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES

METRICS = ("accuracy", "macro_f1")
STATISTICS = {"mean": "mean", "sd": "std", "min": "min", "max": "max"}
ALL = "all"  # the value under which a replicate's own table sums up


def choose(runs, where):
    """The runs whose parameters have the values of `where`, name -> value; InputError for a name that none has."""
    _check_known(runs, where, "--where ")
    return [run for run in runs if all(run.parameters.get(name) == value for name, value in where.items())]


def distinct(runs):
    """Each combination of parameters once, the first run of it."""
    first = {}
    for run in runs:
        first.setdefault(tuple(sorted((name, _key(value)) for name, value in run.parameters.items())), run)
    return list(first.values())


def check_comparable(runs, parameter, replicates):
    """InputError where runs differ in more than the parameter and the replicates, or these are no parameters."""
    _check_known(runs, [parameter])
    _check_known(runs, replicates, "--replicate ")
    others = {name: values for name, values in differing(runs).items() if name not in {parameter, *replicates}}
    if others:
        differences = "; ".join(f"{name} is {' or '.join(map(str, values))}" for name, values in others.items())
        name, values = next(iter(others.items()))
        keys = [_key(run.parameters.get(name)) for run in runs]
        commonest = {_key(value): value for value in values}[Counter(keys).most_common(1)[0][0]]
        raise InputError(
            f"{len(runs)} runs: expected to differ in {' and '.join(dict.fromkeys((parameter, *replicates)))} only, "
            f"found {differences}; choose with --where {name}={commonest}, or average over it with --replicate {name}"
        )


def _check_known(runs, names, option=""):
    known = sorted({name for run in runs for name in run.parameters})
    for name in names:
        if name not in known:
            raise InputError(f"{option}{name}: expected a parameter of params.yaml, one of {', '.join(known)}")


def differing(runs):
    """The parameters in which runs differ, by name, each with its values in order of appearance; None where missing."""
    values = {name: {} for name in sorted({name for run in runs for name in run.parameters})}
    for name, distinct_values in values.items():
        for run in runs:
            value = run.parameters.get(name)
            distinct_values.setdefault(_key(value), value)
    return {name: list(by_key.values()) for name, by_key in values.items() if len(by_key) > 1}


def _key(value):
    """Text that tells values apart, lists too; 1 and 1.0 are one."""
    return json.dumps(float(value) if is_number(value) else value)


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def overview(runs):
    """A row for each run: its name, both roles' accuracy, gap, low, high (missing where there is no interval).

    Then near_duplicates, the share of test images with one in training, and nearest_thumbnail, the accuracy of
    copying its label.
    """
    rows = [
        {"run": run.name}
        | {role: run.headline[role]["accuracy"] for role in ROLES}
        | {"gap": run.headline["gap"]["accuracy"]}
        | {end: run.headline["gap"].get(end) for end in ("low", "high")}
        | {"near_duplicates": run.headline["leak"]["near_duplicates"]}
        | {"nearest_thumbnail": run.headline["without_network"]["nearest_thumbnail"]}
        for run in runs
    ]
    return pd.DataFrame(rows).astype({"low": float, "high": float})


def collapsed(recalls):
    """Whether a model predicts one class for every image: recall 1 there and 0 elsewhere; `recalls` by class."""
    return sorted(recalls.values()) == [0] * (len(recalls) - 1) + [1]


def points(runs, parameter):
    """A row for each run and role: value of the parameter, role, accuracy, macro_f1, collapsed; in order of value."""
    rows = [
        {"value": run.parameters.get(parameter), "role": role}
        | {metric: run.headline[role][metric] for metric in METRICS}
        | {"collapsed": collapsed(run.headline[role]["recall"])}
        for run in sorted(runs, key=lambda run: _order(run.parameters.get(parameter)))
        for role in ROLES
    ]
    table = pd.DataFrame(rows)
    if not all(is_number(value) for value in table["value"]):
        table["value"] = table["value"].map(str)
    return table


def _order(value):
    return (0, value, "") if is_number(value) else (1, 0, str(value))


def summarise(table, over_all=False):
    """For each value and role the number of runs and of collapsed runs, and mean, sd, min and max of each metric.

    `table` is `points`'s. sd is the sample standard deviation (divisor runs - 1), missing for a single run.
    `over_all` adds rows over all values.
    """
    table = table.astype({"value": object})
    groups = [table] + ([table.assign(value=ALL)] if over_all else [])
    summed = {"runs": ("role", "size"), "collapsed": ("collapsed", "sum")}
    for metric in METRICS:
        summed |= {f"{metric}_{name}": (metric, how) for name, how in STATISTICS.items()}
    return pd.concat([group.groupby(["value", "role"], sort=False).agg(**summed).reset_index() for group in groups])
