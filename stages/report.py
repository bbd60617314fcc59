"""Write the page of the run: plots/report.html, one file that needs nothing else."""

from stages import atomic_write, by_role, read_json, run

from kidneyct.files import arrays, index, predictions, tables
from kidneyct.pipeline import lock, params
from kidneyct.pipeline.roles import ROLES
from kidneyct.report import report

WRITERS = ("compare", "suspects", "draw", *(f"{stage}@{role}" for stage in ("explain", "measure") for role in ROLES))


def main():
    p = params.load("report")
    lock.check_together(WRITERS, lock.dotted(params.nested(p)), ("metrics/", "plots/"))
    table, files = index.read("data/split.csv"), index.read("data/index.csv")
    series = index.read_series("data/series.csv")
    index.same_rows({"data/index.csv": files, "data/split.csv": table, "data/series.csv": series})
    page = report.page(
        report.Run(
            parameters=params.nested(p),
            table=table,
            hashes=files["sha256"],
            series=series,
            images=arrays.images("data/images.npy", len(table)),
            leakage=read_json("metrics/leakage.json"),
            comparison=read_json("metrics/comparison.json"),
            external=read_json("metrics/external.json"),
            evaluations=by_role(read_json, "metrics/{}/evaluation.json"),
            probes=by_role(read_json, "metrics/{}/probe.json"),
            measured=by_role(read_json, "metrics/{}/maps.json"),
            histories=by_role(tables.read, "plots/{}/history.csv", tables.HISTORY),
            rates=by_role(tables.read, "plots/{}/rates.csv", tables.RATES),
            predictions=by_role(predictions.read, "plots/{}/predictions.csv", p.data.classes),
            suspects=index.listed("plots/suspects.csv", table),
            doubt=read_json("metrics/suspects.json"),
            external_images=index.read("plots/external/images.csv"),
            external_predictions=by_role(index.read, "plots/{}/external/predictions.csv"),
            maps=by_role(arrays.read_named, "data/maps/{}.npz"),
            charts={
                "leakage": "plots/leakage.png",
                "similarity": "plots/similarity.png",
                "curves": "plots/curves.png",
                "calibration": "plots/calibration.png",
                "suspects": "plots/suspects.png",
                "external": "plots/external.png",
                "randomisation_candidate": "plots/candidate/randomisation.png",
                "randomisation_control": "plots/control/randomisation.png",
            },
        )
    )
    with atomic_write("plots/report.html") as partial:
        partial.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run(main)
