"""Probe what a role's start knows: a tuned linear model on each block's pooled features."""

import numpy as np

from stages import atomic_write, run, write_json

from kidneyct.files import arrays, index, predictions
from kidneyct.pipeline import params
from kidneyct.probe import probe


def main(role):
    p = params.load(f"probe@{role}")
    classes = p.data.classes
    table = index.read("data/split.csv")
    pooled = arrays.read(f"data/features/{role}/pooled.npy", np.float32, (len(table), sum(params.CHANNELS)))
    series = index.read_series("data/series.csv", len(table))
    units = np.arange(len(table)) if p.split.by == "image" else series
    codes = index.codes(table["label"], classes)
    train, test = index.rows(table, "train"), index.rows(table, "test")
    result, probabilities = probe.probe(pooled, codes, series, units, train, test, classes, p.probe.slices)
    write_json(f"metrics/probe/{role}/probe.json", result)
    with atomic_write(f"metrics/probe/{role}/predictions.csv") as partial:
        tabulated = predictions.tabulate(table, test, classes, probabilities)
        tabulated.to_csv(partial, index=False, float_format="%.6f")
    whole = result[probe.ALL]
    auroc = whole["series"].get("macro_auroc")
    print(
        f"probe of the {role}, all blocks: test accuracy {whole['accuracy']:.4f}; of {whole['series']['count']} series "
        + ("one class only" if auroc is None else f"macro AUROC {auroc:.4f}")
    )
    for name, values in result.items():
        if values["edge"] in ("lowest", "highest"):
            print(f"probe of the {role}, {name}: the {values['edge']} of the penalties' strengths was chosen")
        if values["edge"] == "untuned":
            print(f"probe of the {role}, {name}: a class has one series in training, so the penalty is not tuned")


if __name__ == "__main__":
    run(main)
