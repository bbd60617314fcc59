"""Set both roles side by side: metrics and their uncertainty, also on the external test set; and the run's headline."""

import numpy as np
import pandas as pd

from stages import by_role, read_json, run, write_json

from kidneyct.files import index, predictions, tables
from kidneyct.files.predictions import PROBABILITY
from kidneyct.leakage import overlap
from kidneyct.pipeline import params
from kidneyct.statistics import comparison, evaluation, external, verdict

FOLDER, OUTSIDE = "metrics/comparison", "data/external"
COLUMNS = ("metric", "role", "value", "low", "high", "own_test")


def main():
    p = params.load("compare")
    classes = p.data.classes
    split = index.read("data/split.csv")
    predicted = by_role(predictions.read, "models/{}/predictions.csv", classes)
    rows = index.test_rows(split, {f"models/{role}/predictions.csv": table for role, table in predicted.items()})
    series = index.read_series("data/series.csv", len(split))[rows]
    histories = by_role(tables.read, "models/{}/history.csv", tables.HISTORY)
    training = index.codes(split["label"], classes)[index.rows(split, "train")]
    evaluations = {role: evaluated(role, predicted[role], histories[role], training, classes) for role in predicted}
    probes, leakage = by_role(read_json, "metrics/probe/{}/probe.json"), read_json("metrics/leakage/leakage.json")
    result = comparison.compare(evaluations, predicted, histories, series, classes) | comparison.probes(probes)
    write_json(f"{FOLDER}/comparison.json", result)
    compare_external(evaluations, classes)
    write_json("metrics/headline.json", comparison.headline(evaluations, probes, result, leakage))
    print(verdict.verdict(result, leakage["accuracy"]))


def evaluated(role, table, history, training, classes):
    """A role's evaluation.json, of its predictions; written, as are its confusions and its calibration.

    `training` (n,) are the codes of the training images.
    """
    codes = index.codes(table["label"], classes)
    probabilities = table[[PROBABILITY + name for name in classes]].to_numpy(np.float32)  # as the network gave them
    result = (
        evaluation.evaluate(codes, probabilities, classes)
        | evaluation.learning(tables.kept(history)["accuracy"], training)
        | evaluation.calibrate(codes, probabilities)
    )
    write_json(f"{FOLDER}/{role}/evaluation.json", result)
    confusion = table[["label", "predicted"]].rename(columns={"label": "actual"})
    for name, content in {"confusion": confusion, "reliability": evaluation.reliability(codes, probabilities)}.items():
        tables.write(content, f"{FOLDER}/{role}/{name}.csv")
    print(f"{role}: test accuracy {result['accuracy']:.4f}, macro F1 {result['macro_f1']:.4f}")
    return result


def compare_external(evaluations, classes):
    """Write external.json and external.csv: both models on the external test set; {"images": 0} where there is none."""
    facts, lines = read_json(f"{OUTSIDE}/facts.json"), []
    result = {"images": facts["images"]}
    if facts["images"]:
        found, split = index.read(f"{OUTSIDE}/images.csv"), index.read(f"{OUTSIDE}/split.csv")
        predicted = by_role(predictions.read, f"{OUTSIDE}/{{}}.csv", classes)
        index.test_rows(split, {f"{OUTSIDE}/{role}.csv": table for role, table in predicted.items()})
        result = measured(found, predicted, classes) | {name: facts[name] for name in facts if name != "images"}
        lines = external.beside(result, evaluations)
        accuracies = (f"{result['models'][role]['accuracy']['value']:.4f} ({role})" for role in predicted)
        print(f"external: test accuracy {', '.join(accuracies)}")
    write_json(f"{FOLDER}/external.json", result)
    tables.write(pd.DataFrame(lines, columns=COLUMNS), f"{FOLDER}/external.csv")


def measured(found, tables, classes):
    """external.json: all external images, and those apart from the study's."""
    codes, series = index.codes(found["label"], classes), found["series"].to_numpy()
    predicted = {role: index.codes(each["predicted"], classes) for role, each in tables.items()}
    probabilities = {role: each[[PROBABILITY + label for label in classes]].to_numpy() for role, each in tables.items()}

    def measure(rows):
        chosen = [{role: values[rows] for role, values in given.items()} for given in (predicted, probabilities)]
        return external.measure(codes[rows], *chosen, series[rows], classes, comparison.BOOTSTRAP_SEED)

    apart = overlap.apart(found, series)
    return measure(slice(None)) | {"apart": measure(apart) if apart.any() else None}


if __name__ == "__main__":
    run(main)
