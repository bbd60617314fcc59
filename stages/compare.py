"""Set both roles side by side: metrics and their uncertainty, confusion matrices, calibration, explanations."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages import run

from kidneyct import params
from kidneyct.data import split
from kidneyct.page import figures
from kidneyct.results import calibration, comparison, statistics

ROLES = ("candidate", "control")
SHARE = 0.95  # of the kept model's validation accuracy, for the speed of learning
BOOTSTRAP_SEED = 0  # not the study's: another seed of the training should not move the intervals by itself


def main():
    p = params.load("compare")
    classes = p.data.classes
    names = [f"{role} ({comparison.start(weights)})" for role, weights in zip(ROLES, (p.weights, "none"), strict=True)]
    evaluations = [json.loads(Path(f"metrics/{role}/evaluation.json").read_text()) for role in ROLES]
    leakage = json.loads(Path("metrics/leakage.json").read_text())
    predictions = [split.read(f"plots/{role}/predictions.csv") for role in ROLES]
    histories = [pd.read_csv(f"plots/{role}/history.csv") for role in ROLES]
    table = split.read("data/split.csv")
    series = pd.read_csv("data/series.csv")["series"].to_numpy()[split.rows(table, "test")]

    codes, *predicted = (
        pd.Categorical(column, classes).codes
        for column in (predictions[0]["label"], *(table["predicted"] for table in predictions))
    )
    result = comparison.compare(*evaluations)
    paired = statistics.paired(codes, *predicted, series, classes, BOOTSTRAP_SEED)
    for metric in result:
        result[metric] |= paired.pop(metric)
    result |= paired
    result[f"epochs_to_{SHARE:.0%}".replace("%", "_percent")] = {
        role: comparison.epochs_to_share(history, SHARE)
        for role, history, table in zip(ROLES, histories, predictions, strict=True)
        if table["predicted"].nunique() > 1  # a model that knows one class only has learned at no epoch
    }
    result |= comparison.compare(*evaluations, comparison.CALIBRATION)
    Path("metrics/comparison.json").write_text(json.dumps(result, indent=2) + "\n")

    matrices = [comparison.confusion(table, classes) for table in predictions]
    figures.confusion_pair("plots/comparison.png", matrices, classes, names)
    reliability = [calibration.reliability(codes, table[classes].to_numpy()) for table in predictions]
    errors = [evaluation["expected_calibration_error"] for evaluation in evaluations]
    titles = [f"{name}\nexpected calibration error {error:.3f}" for name, error in zip(names, errors, strict=True)]
    figures.reliability_pair("plots/calibration.png", reliability, titles)

    images = np.load("data/images.npy", mmap_mode="r")
    maps = [figures.explained(table, classes, images, np.load(f"data/maps/{role}.npz")) for role in ROLES]
    figures.explanation_pairs("plots/explanations.png", list(zip(*maps, strict=True)), names)
    print(comparison.verdict(result, leakage["accuracy"]["nearest_thumbnail"]))


if __name__ == "__main__":
    run(main)
