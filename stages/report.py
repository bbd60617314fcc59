"""Write the page of the run: plots/report.html, one file that needs nothing else."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from stages import run

from kidneyct import params
from kidneyct.data import split
from kidneyct.page import report


def main():
    p = params.load("report")
    per_role = {
        name: tuple(read(path.format(role)) for role in report.ROLES)
        for name, read, path in [
            ("evaluations", read_json, "metrics/{}/evaluation.json"),
            ("explanations", read_json, "metrics/{}/explanations.json"),
            ("histories", pd.read_csv, "plots/{}/history.csv"),
            ("predictions", split.read, "plots/{}/predictions.csv"),
            ("maps", np.load, "data/maps/{}.npz"),
        ]
    }
    found = report.Run(
        parameters=params.nested(p),
        table=split.read("data/split.csv"),
        hashes=split.read("data/index.csv")["sha256"],
        series=pd.read_csv("data/series.csv")["series"].to_numpy(),
        leakage=read_json("metrics/leakage.json"),
        comparison=read_json("metrics/comparison.json"),
        images=np.load("data/images.npy", mmap_mode="r"),
        charts={
            "leakage": "plots/leakage.png",
            "calibration": "plots/calibration.png",
            "randomisation_candidate": "plots/candidate/randomisation.png",
            "randomisation_control": "plots/control/randomisation.png",
        },
        **per_role,
    )
    Path("plots/report.html").write_text(report.page(found), encoding="utf-8")


def read_json(path):
    return json.loads(Path(path).read_text())


if __name__ == "__main__":
    run(main)
