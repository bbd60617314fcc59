"""Set both roles side by side: metrics and their uncertainty; and the run's headline."""

import pandas as pd

from stages import by_role, read_json, run, write_json

from kidneyct import index, params
from kidneyct.results import comparison, headline, verdict


def main():
    p = params.load("compare")
    evaluations = by_role(read_json, "metrics/{}/evaluation.json")
    rates = by_role(kept_rate, "plots/{}/rates.csv")
    predictions = by_role(index.read, "plots/{}/predictions.csv")
    histories = by_role(pd.read_csv, "plots/{}/history.csv")
    leakage, external = read_json("metrics/leakage.json"), read_json("metrics/external.json")
    series = index.read_series("data/series.csv")[index.rows(index.read("data/split.csv"), "test")]
    result = comparison.compare(evaluations, predictions, histories, series, p.data.classes)
    write_json("metrics/comparison.json", result)
    write_json("metrics/headline.json", headline.headline(evaluations, rates, result, leakage, external))
    print(verdict.verdict(result, leakage["accuracy"]["nearest_thumbnail"]))


def kept_rate(path):
    trials = pd.read_csv(path)
    return float(trials[trials["kept"] == 1]["learning_rate"].iloc[0])


if __name__ == "__main__":
    run(main)
