"""Draw every picture of the run, and write its page: plots/report.html, one file that needs nothing else."""

from pathlib import Path

from stages import atomic_write, by_role, read_json, run

from kidneyct.files import arrays, index, predictions, tables
from kidneyct.maps import selection
from kidneyct.pipeline import errors, params
from kidneyct.pipeline.roles import ROLES
from kidneyct.report import charts, external, panels, report, titles
from kidneyct.statistics import confusion

PICTURES = "plots/pictures"
COMPARISON, OUTSIDE = "metrics/comparison", "data/external"
IN_PAGE = ("calibration", "curves", "external", "leakage", "similarity", *(f"randomisation_{role}" for role in ROLES))


def main():
    p = params.load("report")
    read = read_run(p)
    names = titles.models(p.weights, p.model.transferred_blocks)
    draw_images(read, names, p.explain.mistakes)
    draw_numbers(read, names)
    curve = tables.load("metrics/leakage/similarity.csv", "a table by similarity")
    charts.similarity_curve(f"{PICTURES}/similarity.png", curve, p.series.similarity)
    shown = {path.stem: path for path in sorted(Path(PICTURES).iterdir()) if path.stem in IN_PAGE}
    page = report.page(read._replace(charts=shown))
    with atomic_write("plots/report.html") as partial:
        partial.write_text(page, encoding="utf-8")


def read_run(p):
    """What the other stages left, as the page takes it; InputError where two of their tables don't go together."""
    table, files = index.read("data/split.csv"), index.read("data/images/index.csv")
    series = index.read_series("data/series.csv")
    index.same_rows({"data/images/index.csv": files, "data/split.csv": table, "data/series.csv": series})
    predicted = by_role(predictions.read, "models/{}/predictions.csv", p.data.classes)
    index.test_rows(table, {f"models/{role}/predictions.csv": of_role for role, of_role in predicted.items()})
    return report.Run(
        parameters=params.nested(p),
        table=table,
        hashes=files["sha256"],
        series=series,
        images=arrays.images("data/images/images.npy", len(table)),
        leakage=read_json("metrics/leakage/leakage.json"),
        comparison=read_json(f"{COMPARISON}/comparison.json"),
        external=read_json(f"{COMPARISON}/external.json"),
        evaluations=by_role(read_json, f"{COMPARISON}/{{}}/evaluation.json"),
        probes=by_role(read_json, "metrics/probe/{}/probe.json"),
        measured=by_role(read_json, "data/maps/{}/maps.json"),
        histories=by_role(tables.read, "models/{}/history.csv", tables.HISTORY),
        rates=by_role(tables.read, "models/{}/rates.csv", tables.RATES),
        predictions=predicted,
        external_images=index.read(f"{OUTSIDE}/images.csv"),
        external_predictions=by_role(index.read, f"{OUTSIDE}/{{}}.csv"),
        maps=by_role(arrays.read_named, "data/maps/{}/maps.npz"),
        charts={},  # drawn from these
    )


def draw_images(read, names, mistakes_asked_for):
    pairs = tables.read("metrics/leakage/pairs.csv", tables.PAIRS)
    if pairs[["test", "training"]].max(axis=None) >= len(read.table):
        raise errors.altered("metrics/leakage/pairs.csv", "rows of data/split.csv", "others")
    panels.leakage_pairs(f"{PICTURES}/leakage.png", pairs, read.table, read.images, read.series)
    none = "none among the test images" if mistakes_asked_for else "none asked for (explain.mistakes: 0)"
    shown = {}
    for role, of_role in read.predictions.items():
        what = read.table, of_role, read.images, read.maps[role]
        shown[role], mistakes = selection.explained(*what), selection.explained(*what, mistakes=True)
        panels.explanations(f"{PICTURES}/explanations_{role}.png", shown[role], f"Model of the {role}")
        panels.explanations(f"{PICTURES}/mistakes_{role}.png", mistakes, f"Most confident mistakes of the {role}", none)
    panels.explanation_pairs(
        f"{PICTURES}/explanations.png", list(zip(*shown.values(), strict=True)), list(names.values())
    )


def draw_numbers(read, names):
    confusions = [confusion.confusion(table, read.parameters["data"]["classes"]) for table in read.predictions.values()]
    headings = [
        f"{names[role]}\naccuracy {read.evaluations[role]['accuracy']:.2%} of {len(read.predictions[role])} test images"
        + "".join(f", {word}" for word in ("collapsed", "untrained") if read.evaluations[role][word])
        for role in ROLES
    ]
    charts.confusion_pair(f"{PICTURES}/comparison.png", confusions, read.parameters["data"]["classes"], headings)

    reliability = by_role(tables.read, f"{COMPARISON}/{{}}/reliability.csv", tables.RELIABILITY)
    headings = [
        f"{names[role]}\nexpected calibration error {read.evaluations[role]['expected_calibration_error']:.3f}"
        for role in ROLES
    ]
    charts.reliability_pair(f"{PICTURES}/calibration.png", reliability.values(), headings)

    kept = {role: table["learning_rate"][table["kept"] == 1].item() for role, table in read.rates.items()}
    labels = [f"{names[role]}, learning rate {kept[role]:g}" for role in ROLES]
    charts.learning_curves(f"{PICTURES}/curves.png", read.histories.values(), labels)

    if read.external["images"]:
        beside = tables.load(f"{COMPARISON}/external.csv", "a table of metrics")
        external.chart(f"{PICTURES}/external.png", beside, names)

    for role, measured in read.measured.items():
        cascade = tables.read(f"data/maps/{role}/randomisation.csv", tables.CASCADE)
        threshold = measured["settings"]["uninformative_above"]
        title = [f"Maps of the {role}"]
        charts.randomization_chart(f"{PICTURES}/randomisation_{role}.png", [cascade], title, threshold)


if __name__ == "__main__":
    run(main)
