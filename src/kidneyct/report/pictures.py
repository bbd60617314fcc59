"""All pictures of a run; which of them are on the page, the templates say."""

from kidneyct.files import predictions
from kidneyct.maps import selection
from kidneyct.report import charts, panels, titles


def pictures(run):
    """Name -> a function that draws the picture at a path, of a `report.Run`."""
    parameters, classes = run.parameters, run.parameters["data"]["classes"]
    names = titles.models(parameters["weights"], parameters["model"]["transferred_blocks"])
    kept = {role: tried["learning_rate"][tried["kept"] == 1].item() for role, tried in run.rates.items()}
    confusions = [predictions.confusion(table, classes) for table in run.predictions.values()]
    right, calibrated = [], []
    for role, found in run.evaluations.items():
        marks = "".join(f", {word}" for word in ("collapsed", "untrained") if found[word])
        accuracy = f"accuracy {found['accuracy']:.2%} of {len(run.predictions[role])} test images"
        right.append(f"{names[role]}\n{accuracy}{marks}")
        calibrated.append(f"{names[role]}\nexpected calibration error {found['expected_calibration_error']:.3f}")
    rates = [f"{names[role]}, learning rate {rate:g}" for role, rate in kept.items()]
    found = {
        "leakage": lambda path: panels.leakage_pairs(path, run.pairs, run.table, run.images, run.series),
        "similarity": lambda path: charts.similarity_curve(path, run.similarity, parameters["series"]["similarity"]),
        "comparison": lambda path: charts.confusion_pair(path, confusions, classes, right),
        "calibration": lambda path: charts.reliability_pair(path, run.reliability.values(), calibrated),
        "curves": lambda path: charts.learning_curves(path, run.histories.values(), rates),
        "explanations": lambda path: panels.explanation_pairs(
            path, list(zip(*(explained(run, role) for role in names), strict=True)), list(names.values())
        ),
    }
    if run.external["images"]:
        found["external"] = lambda path: charts.external(path, run.external_metrics, names)
    return found | {name: draw for role in names for name, draw in _of_role(run, role).items()}


def _of_role(run, role):
    none = "none among the test images" if run.parameters["explain"]["mistakes"] else "none asked for"
    above = run.measured[role]["settings"]["uninformative_above"]
    return {
        f"explanations_{role}": lambda path: panels.explanations(path, explained(run, role), f"Model of the {role}"),
        f"mistakes_{role}": lambda path: panels.explanations(
            path, explained(run, role, mistakes=True), f"Most confident mistakes of the {role}", none
        ),
        f"randomisation_{role}": lambda path: charts.randomization_chart(
            path, run.cascades[role], f"Maps of the {role}", above
        ),
    }


def explained(run, role, mistakes=False):
    """The `Example`s that a role's explain stage kept, or its mistakes."""
    return selection.explained(run.table, run.predictions[role], run.images, run.maps[role], mistakes=mistakes)
