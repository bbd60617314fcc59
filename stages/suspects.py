"""List the test images whose label both models contradict with confidence, for a person to look at."""

from stages import atomic_write, by_role, run, write_json

from kidneyct.files import index, predictions
from kidneyct.pipeline import params
from kidneyct.statistics import suspects


def main():
    p = params.load("suspects")
    split, baselines = index.read("data/split.csv"), index.read("plots/baselines.csv")
    predicted = by_role(predictions.read, "plots/{}/predictions.csv", p.data.classes)
    by_path = {f"plots/{role}/predictions.csv": table for role, table in predicted.items()}
    rows = index.test_rows(split, by_path | {"plots/baselines.csv": baselines})
    series = index.read_series("data/series.csv", len(split))[rows]
    listed, worth = suspects.suspects(rows, predicted, baselines["nearest_thumbnail"], series, p.data.classes)
    with atomic_write("plots/suspects.csv") as partial:
        listed.to_csv(partial, index=False, float_format="%.6f")
    write_json("metrics/suspects.json", worth)
    print(suspects.told(worth))


if __name__ == "__main__":
    run(main)
