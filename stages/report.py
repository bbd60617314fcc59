"""Write the page of the run: plots/report.html, one file that needs nothing else."""

import numpy as np
import pandas as pd

from stages import by_role, read_json, run, writing

from kidneyct import index, params
from kidneyct.page import report


def main():
    p = params.load("report")
    page = report.page(
        report.Run(
            parameters=params.nested(p),
            table=index.read("data/split.csv"),
            hashes=index.read("data/index.csv")["sha256"],
            series=index.read_series("data/series.csv"),
            images=np.load("data/images.npy", mmap_mode="r"),
            leakage=read_json("metrics/leakage.json"),
            comparison=read_json("metrics/comparison.json"),
            evaluations=by_role(read_json, "metrics/{}/evaluation.json"),
            measured=by_role(read_json, "metrics/{}/maps.json"),
            histories=by_role(pd.read_csv, "plots/{}/history.csv"),
            rates=by_role(pd.read_csv, "plots/{}/rates.csv"),
            predictions=by_role(index.read, "plots/{}/predictions.csv"),
            maps=by_role(lambda path: dict(np.load(path)), "data/maps/{}.npz"),
            charts={
                "leakage": "plots/leakage.png",
                "curves": "plots/curves.png",
                "calibration": "plots/calibration.png",
                "randomisation_candidate": "plots/candidate/randomisation.png",
                "randomisation_control": "plots/control/randomisation.png",
            },
        )
    )
    with writing("plots/report.html") as partial:
        partial.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run(main)
