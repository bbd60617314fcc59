"""Measure predictions from any framework on the published series.

They are measured as the study's own: by slices, and by whole series of mean probability, with 95 % intervals over
series, beside what the study's models reach. The file has a column `image`, named as in benchmark/series.csv, and a
column of probabilities for each class, or one column `predicted`. Each image has to come from a model that has not
seen its series; benchmark/cuts.py says which series are tested together.
"""

import json
from pathlib import Path

from kidneyct.commands import NOTICE, name
from kidneyct.files.atomic import atomic_write

BESIDE = ("macro_auroc", "balanced_accuracy", "accuracy")


def add_arguments(parser):
    table = "CSV with image and a column for each class, or predicted"
    parser.add_argument("file", type=name, metavar="FILE", help=table)
    parser.add_argument("--locked", action="store_true", help="they are of the locked series, for the one final test")
    parser.add_argument("--out", type=name, metavar="JSON", help="write all measures to this file")


def run(options):
    import pandas as pd

    from kidneyct.experiments import score

    table = pd.read_csv("benchmark/series.csv", dtype=str, keep_default_na=False)
    classes = sorted(table["class"].unique())
    use = "locked" if options.locked else "open"
    result = score.score(*score.read(options.file, table, classes, use), classes)
    print(f"{result['images']:,} images of {result['series']} series, {'all' if options.locked else 'none'} locked\n")
    for title, part in (("slices", "slices"), ("whole series, mean probability", "of_series")):
        print(title)
        for metric, estimate in result[part].items():
            print(f"  {metric.replace('_', ' '):22} {_interval(estimate)}")
    path = Path("metrics/study.json")
    study = json.loads(path.read_text()) if path.exists() else {}
    if (probes := study.get("probes") or {}).get("series") == result["series"]:
        print(f"\nbeside them, from {path}: macro AUROC, balanced accuracy, accuracy of whole series")
        for model, values in probes["models"].items():
            print(f"  {model:22} " + "   ".join(_interval(values[metric]) for metric in BESIDE))
    if options.out:
        with atomic_write(options.out) as partial:
            partial.write_text(json.dumps(result, indent=2) + "\n")
    print(NOTICE)
    return 0


def _interval(estimate):
    ends = f"  ({estimate['low']:.3f} to {estimate['high']:.3f})" if "low" in estimate else ""
    return f"{estimate['value']:.3f}{ends}"
