"""Draw all pictures of the run from what the other stages computed."""

import pandas as pd

from stages import by_role, read_json, run

from kidneyct import arrays, index, params
from kidneyct.data import examples
from kidneyct.page import charts, external, panels, titles
from kidneyct.results import evaluation
from kidneyct.roles import ROLES


def main():
    p = params.load("draw")
    names = titles.models(p.weights, p.model.transferred_blocks)
    predictions = by_role(index.read, "plots/{}/predictions.csv")
    draw_images(predictions, names, p.explain.mistakes)
    draw_numbers(predictions, names, p.data.classes)


def draw_images(predictions, names, mistakes_asked_for):
    table = index.read("data/split.csv")
    images = arrays.images("data/images.npy", len(table))
    pairs = pd.read_csv("plots/pairs.csv")
    panels.leakage_pairs("plots/leakage.png", pairs, table, images, index.read_series("data/series.csv"))

    none = "none among the test images" if mistakes_asked_for else "none asked for (explain.mistakes: 0)"
    shown = {}
    for role, of_role in predictions.items():
        maps = arrays.read_named(f"data/maps/{role}.npz")
        shown[role] = examples.explained(table, of_role, images, maps)
        mistakes = examples.explained(table, of_role, images, maps, mistakes=True)
        panels.explanations(f"plots/{role}/explanations.png", shown[role], f"Model of the {role}")
        panels.explanations(f"plots/{role}/mistakes.png", mistakes, f"Most confident mistakes of the {role}", none)
    panels.explanation_pairs("plots/explanations.png", list(zip(*shown.values(), strict=True)), list(names.values()))


def draw_numbers(predictions, names, classes):
    evaluations = by_role(read_json, "metrics/{}/evaluation.json")
    confusions = [evaluation.confusion(table, classes) for table in predictions.values()]
    headings = [
        f"{names[role]}\naccuracy {evaluations[role]['accuracy']:.2%} of {len(predictions[role])} test images"
        + (", collapsed" if evaluations[role]["collapsed"] else "")
        for role in ROLES
    ]
    charts.confusion_pair("plots/comparison.png", confusions, classes, headings)

    reliability = by_role(pd.read_csv, "plots/{}/reliability.csv")
    headings = [
        f"{names[role]}\nexpected calibration error {evaluations[role]['expected_calibration_error']:.3f}"
        for role in ROLES
    ]
    charts.reliability_pair("plots/calibration.png", reliability.values(), headings)

    histories = by_role(pd.read_csv, "plots/{}/history.csv")
    rates = by_role(pd.read_csv, "plots/{}/rates.csv")
    kept = {role: table["learning_rate"][table["kept"] == 1].item() for role, table in rates.items()}
    labels = [f"{names[role]}, learning rate {kept[role]:g}" for role in ROLES]
    charts.learning_curves("plots/curves.png", histories.values(), labels)

    external.chart("plots/external.png", pd.read_csv("plots/external/metrics.csv"), names)

    for role, measured in by_role(read_json, "metrics/{}/maps.json").items():
        cascade, threshold = pd.read_csv(f"plots/{role}/randomisation.csv"), measured["settings"]["uninformative_above"]
        charts.randomization_chart(f"plots/{role}/randomisation.png", [cascade], [f"Maps of the {role}"], threshold)


if __name__ == "__main__":
    run(main)
