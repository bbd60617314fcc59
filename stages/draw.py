"""Draw all pictures of the run from what the other stages computed."""

from stages import by_role, read_json, run

from kidneyct.files import arrays, index, predictions, tables
from kidneyct.maps import selection
from kidneyct.pipeline import errors, params
from kidneyct.pipeline.roles import ROLES
from kidneyct.report import charts, external, panels, titles
from kidneyct.statistics import confusion


def main():
    p = params.load("draw")
    names = titles.models(p.weights, p.model.transferred_blocks)
    predicted = by_role(predictions.read, "plots/{}/predictions.csv", p.data.classes)
    draw_images(predicted, names, p.explain.mistakes)
    draw_numbers(predicted, names, p.data.classes)
    curve = tables.load("plots/similarity.csv", "a table by similarity")
    charts.similarity_curve("plots/similarity.png", curve, p.series.similarity)


def draw_images(predicted, names, mistakes_asked_for):
    table = index.read("data/split.csv")
    images = arrays.images("data/images.npy", len(table))
    index.test_rows(table, {f"plots/{role}/predictions.csv": of_role for role, of_role in predicted.items()})
    pairs = tables.read("plots/pairs.csv", tables.PAIRS)
    if pairs[["test", "training"]].max(axis=None) >= len(table):
        raise errors.altered("plots/pairs.csv", "rows of data/split.csv", "others")
    panels.leakage_pairs("plots/leakage.png", pairs, table, images, index.read_series("data/series.csv", len(table)))
    panels.suspects("plots/suspects.png", index.listed("plots/suspects.csv", table), images)

    none = "none among the test images" if mistakes_asked_for else "none asked for (explain.mistakes: 0)"
    shown = {}
    for role, of_role in predicted.items():
        maps = arrays.read_named(f"data/maps/{role}.npz")
        shown[role] = selection.explained(table, of_role, images, maps)
        mistakes = selection.explained(table, of_role, images, maps, mistakes=True)
        panels.explanations(f"plots/{role}/explanations.png", shown[role], f"Model of the {role}")
        panels.explanations(f"plots/{role}/mistakes.png", mistakes, f"Most confident mistakes of the {role}", none)
    panels.explanation_pairs("plots/explanations.png", list(zip(*shown.values(), strict=True)), list(names.values()))


def draw_numbers(predicted, names, classes):
    evaluations = by_role(read_json, "metrics/{}/evaluation.json")
    confusions = [confusion.confusion(table, classes) for table in predicted.values()]
    headings = [
        f"{names[role]}\naccuracy {evaluations[role]['accuracy']:.2%} of {len(predicted[role])} test images"
        + "".join(f", {word}" for word in ("collapsed", "untrained") if evaluations[role][word])
        for role in ROLES
    ]
    charts.confusion_pair("plots/comparison.png", confusions, classes, headings)

    reliability = by_role(tables.read, "plots/{}/reliability.csv", tables.RELIABILITY)
    headings = [
        f"{names[role]}\nexpected calibration error {evaluations[role]['expected_calibration_error']:.3f}"
        for role in ROLES
    ]
    charts.reliability_pair("plots/calibration.png", reliability.values(), headings)

    histories = by_role(tables.read, "plots/{}/history.csv", tables.HISTORY)
    rates = by_role(tables.read, "plots/{}/rates.csv", tables.RATES)
    kept = {role: table["learning_rate"][table["kept"] == 1].item() for role, table in rates.items()}
    labels = [f"{names[role]}, learning rate {kept[role]:g}" for role in ROLES]
    charts.learning_curves("plots/curves.png", histories.values(), labels)

    external_metrics = tables.load("plots/external/metrics.csv", "a table of metrics")
    external.chart("plots/external.png", external_metrics, names)

    for role, measured in by_role(read_json, "metrics/{}/maps.json").items():
        cascade = tables.read(f"plots/{role}/randomisation.csv", tables.CASCADE)
        threshold = measured["settings"]["uninformative_above"]
        charts.randomization_chart(f"plots/{role}/randomisation.png", [cascade], [f"Maps of the {role}"], threshold)


if __name__ == "__main__":
    run(main)
