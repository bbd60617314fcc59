"""Set both roles side by side: metrics and their uncertainty; and the run's headline."""

from stages import by_role, read_json, run, write_json

from kidneyct.files import index, predictions, tables
from kidneyct.pipeline import params
from kidneyct.statistics import comparison, headline, verdict


def main():
    p = params.load("compare")
    evaluations = by_role(read_json, "metrics/{}/evaluation.json")
    probes = by_role(read_json, "metrics/{}/probe.json")
    rates = by_role(tables.read, "plots/{}/rates.csv", tables.RATES)
    histories = by_role(tables.read, "plots/{}/history.csv", tables.HISTORY)
    leakage, external = read_json("metrics/leakage.json"), read_json("metrics/external.json")
    split = index.read("data/split.csv")
    predicted = by_role(predictions.read, "plots/{}/predictions.csv", p.data.classes)
    rows = index.test_rows(split, {f"plots/{role}/predictions.csv": table for role, table in predicted.items()})
    series = index.read_series("data/series.csv", len(split))[rows]
    result = comparison.compare(evaluations, predicted, histories, series, p.data.classes)
    result |= comparison.probes(probes)
    write_json("metrics/comparison.json", result)
    write_json("metrics/headline.json", headline.headline(evaluations, probes, rates, result, leakage, external))
    print(verdict.verdict(result, leakage["accuracy"]))


if __name__ == "__main__":
    run(main)
