"""What a run comes to, in the few numbers that are declared as DVC's metrics."""

from kidneyct.files import tables
from kidneyct.pipeline.roles import ROLES
from kidneyct.probe.probe import ALL


def headline(evaluations, probes, rates, comparison, leakage, external):
    """The whole of `headline.json`: each role's accuracy, macro F1 and recalls, their gap, and the leak beside them.

    `evaluations` and `probes` by role, `comparison`, `leakage` and `external` are what the JSON files of these names
    hold, `rates` by role the tables of the learning rates tried. An interval that could not be had is left out,
    and so is the external test set where there is none.
    """
    models = {
        role: {
            "accuracy": evaluations[role]["accuracy"],
            "macro_f1": evaluations[role]["macro_f1"],
            "collapsed": evaluations[role]["collapsed"],
            "untrained": evaluations[role]["untrained"],
            "learning_rate": float(tables.kept(rates[role])["learning_rate"]),
            "rate_at_edge": tables.kept(rates[role])["edge"],
            "recall": {label: values["recall"] for label, values in evaluations[role]["classes"].items()},
        }
        | {f"probe_{name}": value for name, value in _probed(probes[role]).items()}
        for role in ROLES
    }
    accuracy = comparison["accuracy"]
    interval = {end: accuracy[f"gap_{end}"] for end in ("low", "high") if f"gap_{end}" in accuracy}
    return (
        models
        | {
            "gap": {"accuracy": accuracy["gap"]} | interval,
            "leak": {"near_duplicates": leakage["near_duplicates"]["share"]},
            "without_network": leakage["accuracy"],
        }
        | ({"external": _external(external)} if external["images"] else {})
    )


def _probed(probe):
    """Of the probe on all blocks its macro AUROC at the level of series, where there is one."""
    return {name: value for name, value in probe[ALL]["series"].items() if name == "macro_auroc"}


def _external(external):
    gap = external["gap"]["accuracy"]
    return {
        "images": external["images"],
        "accuracy": {role: external["models"][role]["accuracy"]["value"] for role in ROLES},
        "gap": {"accuracy": gap["value"]} | {end: gap[end] for end in ("low", "high") if end in gap},
        "near_duplicates": external["near_duplicates"]["share"],
    }
