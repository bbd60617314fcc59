"""Two models side by side, in numbers."""

import numpy as np

from kidneyct.files import index, tables
from kidneyct.files.rounding import rounded
from kidneyct.pipeline.roles import ROLES
from kidneyct.probe.probe import ALL
from kidneyct.statistics import paired

PAIRED = ("accuracy", "macro_f1")  # those with an interval
CALIBRATION = ("expected_calibration_error", "brier_score")
SHARE = 0.95  # of the kept model's validation accuracy, for the speed of learning
BOOTSTRAP_SEED = 0  # not the study's: another seed of the training should not move the intervals by itself


def compare(evaluations, predictions, histories, series, classes):
    """The whole of `comparison.json`: both models, and candidate minus control with intervals and tests.

    The first three are dictionaries by role: `evaluation.json`, the predictions table with a line for each test image,
    and the history by epoch. `series` (n,) are the test images'. `paired.compare` says what the intervals are.
    """
    actual = index.codes(predictions[ROLES[0]]["label"], classes)
    predicted = [index.codes(predictions[role]["predicted"], classes) for role in ROLES]
    gaps = paired.compare(actual, *predicted, series, classes, BOOTSTRAP_SEED)
    sides = {}
    for metric in (*PAIRED, *CALIBRATION):
        own = {role: evaluations[role][metric] for role in ROLES}
        sides[metric] = own | {"gap": round(own["candidate"] - own["control"], 6)} | gaps.get(metric, {})
    learned = [role for role, table in predictions.items() if table["predicted"].nunique() > 1]
    return {
        "images": gaps["images"],
        "series": gaps["series"],
        **sides,
        "mcnemar": gaps["mcnemar"],
        "agreement": paired.agreement(actual, *predicted, len(classes)),
        # A model that knows one class only has learned at no epoch.
        f"epochs_to_{100 * SHARE:.0f}_percent": {role: epochs_to_share(histories[role], SHARE) for role in learned},
        "classes": gaps["classes"],
    }


def epochs_to_share(history, share):
    """First epoch (from 1) whose validation accuracy reaches `share` of the kept epoch's."""
    return int(np.argmax(history["val_accuracy"] >= share * tables.kept(history)["val_accuracy"])) + 1


def probes(found):
    """Macro AUROC of series by the probes on all blocks, of both roles and the gap; {} where there is none.

    `found` is probe.json by role.
    """
    values = _aurocs(found)
    if len(values) < len(ROLES):
        return {}
    return rounded({"probe": {"macro_auroc": values | {"gap": values[ROLES[0]] - values[ROLES[1]]}}})


def _aurocs(found):
    aurocs = {role: found[role][ALL]["series"].get("macro_auroc") for role in ROLES}
    return {role: value for role, value in aurocs.items() if value is not None}


def headline(evaluations, probes, comparison, leakage):
    """The whole of `headline.json`, DVC's metrics: what a run comes to.

    `evaluations` and `probes` by role, `comparison` and `leakage` are what the JSON files of these names hold. A number
    that could not be had, such as the interval's ends over a single series, is left out.
    """
    accuracy = comparison["accuracy"]
    roles = {role: {metric: evaluations[role][metric] for metric in PAIRED} for role in ROLES}
    for role, auroc in _aurocs(probes).items():
        roles[role]["probe_macro_auroc"] = auroc
    return roles | {
        "gap": {"accuracy": accuracy["gap"]}
        | {end: accuracy[f"gap_{end}"] for end in ("low", "high") if f"gap_{end}" in accuracy},
        "leak": {"near_duplicates": leakage["near_duplicates"]["share"]},
        "without_network": {name: leakage["accuracy"][name] for name in ("nearest_thumbnail", "acquisition")},
    }
