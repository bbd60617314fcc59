"""Set both roles side by side: metrics and their uncertainty; and the run's headline."""

import pandas as pd

from stages import read_json, run, write_json

from kidneyct import index, params
from kidneyct.results import comparison, headline, verdict
from kidneyct.roles import ROLES


def main():
    p = params.load("compare")
    evaluations = {role: read_json(f"metrics/{role}/evaluation.json") for role in ROLES}
    predictions = {role: index.read(f"plots/{role}/predictions.csv") for role in ROLES}
    histories = {role: pd.read_csv(f"plots/{role}/history.csv") for role in ROLES}
    leakage = read_json("metrics/leakage.json")
    series = index.read_series("data/series.csv")[index.rows(index.read("data/split.csv"), "test")]
    result = comparison.compare(evaluations, predictions, histories, series, p.data.classes)
    write_json("metrics/comparison.json", result)
    write_json("metrics/headline.json", headline.headline(evaluations, result, leakage))
    print(verdict.verdict(result, leakage["accuracy"]["nearest_thumbnail"]))


if __name__ == "__main__":
    run(main)
