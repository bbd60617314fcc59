"""All pictures of a run; which of them are on the page, the templates say."""

from kidneyct.files import predictions, tables
from kidneyct.maps import selection
from kidneyct.report import charts, panels, titles


def figures(run):
    """Yield the name and the figure of each picture of a `report.Run`."""
    parameters, classes = run.parameters, run.parameters["data"]["classes"]
    names = titles.models(parameters["weights"], parameters["model"]["transferred_blocks"])
    yield "leakage", panels.leakage_pairs(run.pairs, run.table, run.images, run.series)
    yield "similarity", charts.similarity_curve(run.similarity, parameters["series"]["similarity"])
    right, calibrated = [], []
    for role, found in run.evaluations.items():
        marks = "".join(f", {word}" for word in ("collapsed", "untrained") if found[word])
        accuracy = f"accuracy {found['accuracy']:.2%} of {len(run.predictions[role])} test images"
        right.append(f"{names[role]}\n{accuracy}{marks}")
        calibrated.append(f"{names[role]}\nexpected calibration error {found['expected_calibration_error']:.3f}")
    confusions = [predictions.confusion(table, classes) for table in run.predictions.values()]
    yield "comparison", charts.confusion_pair(confusions, classes, right)
    yield "calibration", charts.reliability_pair(run.reliability.values(), calibrated)
    rates = [f"{names[role]}, learning rate {tables.kept(run.rates[role])['learning_rate']:g}" for role in names]
    yield "curves", charts.learning_curves(run.histories.values(), rates)
    if run.external["images"]:
        yield "external", charts.external(run.external_metrics, names)
    examples = {role: explained(run, role) for role in names}
    pairs = list(zip(*examples.values(), strict=True))
    yield "explanations", panels.explanation_pairs(pairs, list(names.values()))
    none = "none among the test images" if parameters["explain"]["mistakes"] else "none asked for"
    for role in names:
        yield f"explanations_{role}", panels.explanations(examples[role], f"Model of the {role}")
        mistakes = explained(run, role, mistakes=True)
        yield f"mistakes_{role}", panels.explanations(mistakes, f"Most confident mistakes of the {role}", none)
        above = run.measured[role]["settings"]["uninformative_above"]
        yield f"randomisation_{role}", charts.randomization_chart(run.cascades[role], f"Maps of the {role}", above)


def explained(run, role, mistakes=False):
    """The `Example`s that a role's explain stage kept, or its mistakes."""
    return selection.explained(run.table, run.predictions[role], run.images, run.maps[role], mistakes=mistakes)
