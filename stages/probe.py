"""Probe what a role's start knows: a tuned linear model on each block's pooled features."""

import numpy as np

from stages import run, write_json

from kidneyct.files import arrays, index, predictions, tables
from kidneyct.pipeline import params
from kidneyct.probe import probe


def main(role):
    p = params.load(f"probe@{role}")
    classes = p.data.classes
    table = index.read("data/split.csv")
    pooled = arrays.read(f"data/features/{role}/pooled.npy", np.float32, (len(table), sum(params.CHANNELS)))
    series = index.read_series("data/series.csv", len(table))
    units = index.units(series, p.split.by)
    codes = index.codes(table["label"], classes)
    train, test = index.rows(table, "train"), index.rows(table, "test")
    result, probabilities = probe.probe(pooled, codes, series, units, train, test, classes, p.probe.slices)
    write_json(f"metrics/probe/{role}/probe.json", result)
    tabulated = predictions.tabulate(table, test, classes, probabilities)
    tables.write(tabulated, f"metrics/probe/{role}/predictions.csv")
    whole = result[probe.ALL]
    auroc = whole["series"].get("macro_auroc")
    print(
        f"probe of the {role}, all blocks: test accuracy {whole['accuracy']:.4f}; of {whole['series']['count']} series "
        + ("one class only" if auroc is None else f"macro AUROC {auroc:.4f}")
    )
    unit = "image" if p.split.by == "image" else "series"
    for name, values in result.items():
        if penalty := tables.PENALTY.get(values["edge"]):
            print(f"probe of the {role}, {name}: the {penalty}est penalty tried was chosen")
        if values["edge"] == "untuned":
            print(f"probe of the {role}, {name}: a class has one {unit} in training, so the penalty is not tuned")


if __name__ == "__main__":
    run(main)
