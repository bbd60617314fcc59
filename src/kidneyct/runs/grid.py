"""`python -m kidneyct.grid PARAMETER`: DVC's experiments as a table and a chart over one parameter."""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from ruamel.yaml import YAML, YAMLError

from kidneyct.page import figures
from kidneyct.errors import InputError

ROLES = ("candidate", "control")
METRICS = ("accuracy", "macro_f1")
LOGARITHMIC = ("train.fraction", "train.learning_rate")
ALL = "all"  # the value under which a replicate's own table sums up


class Run(NamedTuple):
    parameters: dict  # by dotted name
    results: dict  # of each role, its evaluation.json
    code: dict  # hash of each Python file that went into it


def collect():
    """DVC's experiments on the current commit, with the workspace and the commit itself: `runs`'s two arguments."""
    listed = json.loads(_output(sys.executable, "-m", "dvc", "exp", "show", "--json"))
    lock = Path("dvc.lock")
    locks = {"workspace": lock.read_text() if lock.exists() else ""}
    for entry in listed[1:]:
        locks[entry["rev"]] = _output("git", "show", f"{entry['rev']}:./dvc.lock", missing="")
    return listed, {rev: YAML(typ="safe", pure=True).load(text) or {} for rev, text in locks.items()}


def _output(*command, missing=None):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return done.stdout
    if missing is not None:
        return missing
    said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
    raise InputError(f"{' '.join(command[-4:])}: expected DVC's list of experiments, found: {said}; run in the project")


def runs(listed, locks):
    """Finished runs, the workspace's first, then the commit's and its experiments', and how many are not.

    `listed` is what `dvc exp show --json` prints, `locks` the dvc.lock of the workspace and of the commit. A queued,
    running or failed experiment shows numbers of the commit that it started from, and an edited params.yaml
    stands beside the results of the last run: neither counts.
    """
    finished, unfinished, stale = [], {}, 0
    for entry in listed:
        run = _run(entry)
        if run and _made_with(run.parameters, locks.get(entry["rev"], {})):
            finished.append(run)
        elif run:
            stale += 1
        for experiment in entry["experiments"] or []:
            state = (experiment["executor"] or {}).get("state", "success")
            run = _run(experiment["revs"][0]) if state == "success" else None
            if run:
                finished.append(run)
            else:
                state = "without results" if state == "success" else state
                unfinished[state] = unfinished.get(state, 0) + 1
    return finished, unfinished, stale


def _run(entry):
    """The run of one entry of the list, or None where its results are not complete."""
    data = entry["data"]
    if not data or entry["error"]:
        return None
    metrics = [data["metrics"].get(f"metrics/{role}/evaluation.json", {}) for role in ROLES]
    results = {role: found.get("data") for role, found in zip(ROLES, metrics, strict=True)}
    if not all(results.values()):
        return None
    parameters = data["params"].get("params.yaml", {}).get("data")
    if not parameters:
        return None
    code = {path: dep["hash"] for path, dep in data["deps"].items() if path.endswith(".py")}
    return Run(_dotted(parameters), results, code)


def _dotted(section, prefix=""):
    found = {}
    for name, value in section.items():
        found |= _dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def _made_with(parameters, lock):
    """Whether every parameter that a stage of this dvc.lock ran with still has that value."""
    stages = lock.get("stages", {}).values()
    locked = [item for stage in stages for item in stage.get("params", {}).get("params.yaml", {}).items()]
    return bool(stages) and all(parameters.get(name) == value for name, value in locked)


def choose(finished, where):
    """Runs whose parameters have the values of `where`, each combination of parameters once."""
    known = sorted({name for run in finished for name in run.parameters})
    for name in where:
        if name not in known:
            raise InputError(f"--where {name}: expected a parameter of params.yaml, one of {', '.join(known)}")
    chosen = {}
    for run in finished:
        if all(run.parameters.get(name) == value for name, value in where.items()):
            chosen.setdefault(tuple(sorted((name, _key(value)) for name, value in run.parameters.items())), run)
    return list(chosen.values())


def _key(value):
    """Text that tells values apart, lists too; 1 and 1.0 are one."""
    return json.dumps(float(value) if _is_number(value) else value)


def check_comparable(chosen, parameter, replicates):
    """InputError where runs differ in more than the parameter and the replicates."""
    values = {name: {} for run in chosen for name in run.parameters}
    for name, found in values.items():
        for run in chosen:
            value = run.parameters.get(name)
            found.setdefault(_key(value), value)
    if parameter not in values:
        raise InputError(f"{parameter}: expected a parameter of params.yaml, one of {', '.join(sorted(values))}")
    differing = {
        name: list(found.values())
        for name, found in sorted(values.items())
        if len(found) > 1 and name not in {parameter, *replicates}
    }
    if differing:
        told = "; ".join(f"{name} is {_or(found)}" for name, found in differing.items())
        name = next(iter(differing))
        commonest = Counter(_key(run.parameters.get(name)) for run in chosen).most_common(1)[0][0]
        choice = f"{name}={values[name][commonest]}"
        raise InputError(
            f"{len(chosen)} runs: expected to differ in {' and '.join(dict.fromkeys((parameter, *replicates)))} only, "
            f"found {told}; choose with --where {choice}, or average over it with --replicate {name}"
        )


def _or(values):
    return " or ".join(str(value) for value in values)


def collapsed(evaluation):
    """Whether a model predicts one class for every image: recall 1 there and 0 elsewhere."""
    recalls = [value["recall"] for value in evaluation.values() if isinstance(value, dict) and "recall" in value]
    return sorted(recalls) == [0] * (len(recalls) - 1) + [1]


def points(chosen, parameter):
    """A row for each run and role: value of the parameter, role, accuracy, macro_f1, collapsed; in order of value."""
    rows = [
        {"value": run.parameters.get(parameter), "role": role}
        | {metric: run.results[role][metric] for metric in METRICS}
        | {"collapsed": collapsed(run.results[role])}
        for run in sorted(chosen, key=lambda run: _order(run.parameters.get(parameter)))
        for role in ROLES
    ]
    table = pd.DataFrame(rows)
    if not all(_is_number(value) for value in table["value"]):
        table["value"] = table["value"].map(str)
    return table


def _order(value):
    return (0, value, "") if _is_number(value) else (1, 0, str(value))


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def summarise(table, over_all=False):
    """For each value and role the number of runs and of collapsed runs, and mean, sd, min and max of each metric.

    sd is the sample standard deviation (divisor runs - 1), missing for a single run. `over_all` adds rows over all
    values.
    """
    table = table.astype({"value": object})
    groups = [table] + ([table.assign(value=ALL)] if over_all else [])
    summed = {"runs": ("role", "size"), "collapsed": ("collapsed", "sum")}
    for metric in METRICS:
        summed |= {f"{metric}_{name}": (metric, how) for name, how in STATISTICS.items()}
    return pd.concat([group.groupby(["value", "role"], sort=False).agg(**summed).reset_index() for group in groups])


STATISTICS = {"mean": "mean", "sd": "std", "min": "min", "max": "max"}


def _where(text):
    name, equals, value = text.partition("=")
    try:
        return name, YAML(typ="safe", pure=True).load(value) if equals else _no_value(text)
    except YAMLError:
        return name, value


def _no_value(text):
    raise InputError(f"--where {text}: expected name=value, as --where weights=none")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m kidneyct.grid", description=__doc__)
    parser.add_argument("parameter", nargs="+", help="such as seed, train.fraction, model.frozen_blocks, weights")
    parser.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help="only runs with this value")
    parser.add_argument(
        "--replicate", action="append", default=[], metavar="NAME", help="average over this beside seed"
    )
    options = parser.parse_args(arguments)
    try:
        where = dict(map(_where, options.where))
        listed, locks = collect()
        for parameter in options.parameter:
            report(listed, locks, parameter, where, ("seed", *options.replicate))
    except InputError as error:
        sys.exit(f"error: {error}")


def report(listed, locks, parameter, where, replicates):
    """Write plots/grid-<parameter>.csv and .png, and print the table."""
    finished, unfinished, stale = runs(listed, locks)
    chosen = choose(finished, where)
    ignored = [f"{count} {state}" for state, count in sorted(unfinished.items())]
    if stale:
        ignored.append("results in the workspace or the commit that other parameters than params.yaml's made")
    left_out = f"Left out: {', '.join(ignored)}." if ignored else "None was left out."
    if not chosen:
        raise InputError(
            f"grid: expected finished runs{' with these --where values' if where else ''}, found none of "
            f"{len(finished)}. {left_out} Start some with dvc exp run, look at them with dvc exp show"
        )
    check_comparable(chosen, parameter, replicates)
    table = points(chosen, parameter)
    summary = summarise(table, over_all=parameter in replicates)

    target = Path("plots") / f"grid-{parameter.replace('.', '-')}"
    target.parent.mkdir(exist_ok=True)
    named = summary.rename(columns={"value": parameter})
    named[parameter] = [f"{value:g}" if _is_number(value) else value for value in summary["value"]]
    named.to_csv(target.with_suffix(".csv"), index=False, float_format="%.6f", lineterminator="\n")
    starts = {run.parameters.get("weights") for run in chosen}
    names = {"candidate": f"candidate ({starts.pop()})" if len(starts) == 1 else "candidate", "control": "control"}
    figures.sweep(target.with_suffix(".png"), table, summary, parameter, names, parameter in LOGARITHMIC)

    print(named.to_string(index=False, float_format="%.4f", na_rep=""))
    print(f"Runs of different parameters: {len(chosen)}, of {len(finished)} finished.")
    print(left_out)
    changed = sorted({path for run in chosen for path in run.code if run.code[path] != chosen[0].code.get(path)})
    if changed:
        print(f"Note: the runs were made with different versions of {', '.join(changed)}.")
    print(f"{target}.csv  {target}.png")


if __name__ == "__main__":
    main()
