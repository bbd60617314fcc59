"""Set both models side by side on the external test set; and say what of it the study holds already."""

import numpy as np
import pandas as pd

from stages import atomic_write, by_role, read_json, run, write_json

from kidneyct.files import arrays, index
from kidneyct.files.predictions import PROBABILITY
from kidneyct.leakage import overlap
from kidneyct.pipeline import params
from kidneyct.statistics import external

BOOTSTRAP_SEED = 0  # not the study's, as in results.comparison
COLUMNS = ("metric", "role", "value", "low", "high", "own_test")


def main():
    p = params.load("compare_external")
    classes = p.data.classes
    split = index.read("data/external/split.csv")
    files, series = index.read("data/external/index.csv"), index.read_series("data/external/series.csv")
    of_each = {"data/external/index.csv": files, "data/external/split.csv": split, "data/external/series.csv": series}
    index.same_rows(of_each)
    rows = index.rows(split, "test")
    table = files.iloc[rows].reset_index(drop=True)
    result, found, lines = {"images": 0}, table[["image", "label"]], []
    if len(rows):
        series = series[rows]
        thumbnails = arrays.thumbnails("data/external/thumbnails.npy", len(split))[rows]
        found = shared(table, thumbnails, classes, p.series.similarity, p.split.by == "image", p.probe.slices)
        known = index.read_inferred("data/external/series.csv") is not None
        result = measured(table, found, series, classes) | {"series_are": "known" if known else "inferred"}
        result["left_out"] = {
            "unreadable": len(index.read("data/external/rejected.csv")),
            "contradictory": len(split) - len(rows),
        }
        lines = external.beside(result, by_role(read_json, "metrics/{}/evaluation.json"))
        found.insert(2, "series", series)
        print(external.told(result))
    write_json("metrics/external.json", result)
    for name, content in {"images": found, "metrics": pd.DataFrame(lines, columns=COLUMNS)}.items():
        with atomic_write(f"plots/external/{name}.csv") as partial:
            content.to_csv(partial, index=False, float_format="%.6f")


def shared(table, thumbnails, classes, similarity, by_image, slices):
    """`overlap.find` of the external images and the study's."""
    study = index.read("data/index.csv")
    series, split = index.read_series("data/series.csv"), index.read("data/split.csv")
    index.same_rows({"data/index.csv": study, "data/split.csv": split, "data/series.csv": series})
    own = arrays.thumbnails("data/thumbnails.npy", len(study))
    study, units = study.assign(split=split["split"]), np.arange(len(study)) if by_image else series
    return overlap.find(table, thumbnails, study, own, series, classes, similarity, units, slices)


def measured(table, found, series, classes):
    """external.json: all external images, and those apart from the study's."""
    tables = by_role(index.read, "plots/{}/external/predictions.csv")
    for role, predictions in tables.items():
        index.same_rows({"data/external/split.csv": table, f"plots/{role}/external/predictions.csv": predictions})
    predicted = {role: index.codes(each["predicted"], classes) for role, each in tables.items()}
    probabilities = {role: each[[PROBABILITY + label for label in classes]].to_numpy() for role, each in tables.items()}
    codes = index.codes(table["label"], classes)

    def measure(rows):
        chosen = [{role: values[rows] for role, values in given.items()} for given in (predicted, probabilities)]
        return external.measure(codes[rows], *chosen, series[rows], classes, BOOTSTRAP_SEED)

    apart = overlap.apart(found, series)
    return measure(slice(None)) | overlap.summary(found, series) | {"apart": measure(apart) if apart.any() else None}


if __name__ == "__main__":
    run(main)
