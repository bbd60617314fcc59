"""Set both roles side by side: metrics, confusion matrices, explanations."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages import run

from kidneyct import comparison, figures, params, split  # isort: skip

ROLES = ("candidate", "control")


def main():
    p = params.load("compare")
    classes = p.data.classes
    names = (f"candidate: {p.weights}", "control: none")
    evaluations = [json.loads(Path(f"metrics/{role}/evaluation.json").read_text()) for role in ROLES]
    result = comparison.compare(*evaluations)
    Path("metrics/comparison.json").write_text(json.dumps(result, indent=2) + "\n")

    predictions = [pd.read_csv(f"plots/{role}/predictions.csv") for role in ROLES]
    matrices = [comparison.confusion(table, classes) for table in predictions]
    figures.confusion_pair("plots/comparison.png", matrices, classes, names)

    table = split.read("data/split.csv")
    images = np.load("data/images.npy", mmap_mode="r")
    maps = [figures.explained(table, classes, images, np.load(f"data/maps/{role}.npz")) for role in ROLES]
    figures.explanation_pairs("plots/explanations.png", list(zip(*maps, strict=True)), names)
    accuracy = result["accuracy"]
    print(
        f"accuracy: candidate {accuracy['candidate']:.4f}, control {accuracy['control']:.4f}, "
        f"gap {accuracy['gap']:+.4f}"
    )


if __name__ == "__main__":
    run(main)
