"""Draw every picture of the run, and write its page: plots/report.html, one file that needs nothing else."""

import json

from stages import atomic_write, by_role, read_json, run

from kidneyct.files import arrays, index, predictions, tables
from kidneyct.pipeline import errors, params
from kidneyct.report import canvas, report

PICTURES = "plots/pictures"
DPI = 100  # DVC's page shows every pixel, and two runs side by side
COMPARISON, LEAKAGE, OUTSIDE = "metrics/comparison", "metrics/leakage", "data/external"


def main():
    finished = read_run(params.load("report"))
    for name, figure in report.figures(finished):
        canvas.save(figure, f"{PICTURES}/{name}.png", DPI)
    page = report.page(finished, PICTURES)
    with atomic_write("plots/report.html") as partial:
        partial.write_text(page, encoding="utf-8")


def read_run(p):
    """What the other stages left, as the page takes it; InputError where two of their tables don't go together."""
    table, files = index.read("data/split.csv"), index.read("data/images/index.csv")
    series = index.read_series("data/series.csv")
    index.same_rows({"data/images/index.csv": files, "data/split.csv": table, "data/series.csv": series})
    predicted = by_role(predictions.read, "models/{}/predictions.csv", p.data.classes)
    index.test_rows(table, {f"models/{role}/predictions.csv": of_role for role, of_role in predicted.items()})
    pairs = tables.read(f"{LEAKAGE}/pairs.csv", tables.PAIRS)
    if pairs[["test", "training"]].max(axis=None) >= len(table):
        raise errors.corrupt(f"{LEAKAGE}/pairs.csv", "rows of data/split.csv", "others")
    return report.Run(
        parameters=json.loads(json.dumps(p, default=vars)),  # nested
        table=table,
        hashes=files["sha256"],
        series=series,
        images=arrays.images("data/images/images.npy", len(table)),
        leakage=read_json(f"{LEAKAGE}/leakage.json"),
        pairs=pairs,
        similarity=tables.load(f"{LEAKAGE}/similarity.csv", "a table by similarity"),
        comparison=read_json(f"{COMPARISON}/comparison.json"),
        external=read_json(f"{COMPARISON}/external.json"),
        external_metrics=tables.load(f"{COMPARISON}/external.csv", "a table of metrics"),
        evaluations=by_role(read_json, f"{COMPARISON}/{{}}/evaluation.json"),
        probes=by_role(read_json, "metrics/probe/{}/probe.json"),
        measured=by_role(read_json, "data/maps/{}/maps.json"),
        histories=by_role(tables.read, "models/{}/history.csv", tables.HISTORY),
        rates=by_role(tables.read, "models/{}/rates.csv", tables.RATES),
        reliability=by_role(tables.read, f"{COMPARISON}/{{}}/reliability.csv", tables.RELIABILITY),
        predictions=predicted,
        external_predictions=by_role(predictions.read, f"{OUTSIDE}/{{}}.csv", p.data.classes),
        maps=by_role(arrays.read_named, "data/maps/{}/maps.npz"),
        cascades=by_role(tables.load, "data/maps/{}/randomisation.csv", "a table by map and step"),
    )


if __name__ == "__main__":
    run(main)
