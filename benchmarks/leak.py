"""The same models tested by image and by whole series: what the split alone is worth.

    python -m benchmarks.leak docs/results/by-image.json docs/results/all-slices.json

Both files are what `kidneyct study` writes, of the same probes with `by: image` and `by: series`. Writes
docs/pictures/leak.png.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from kidneyct.report import canvas

CHART = Path("docs/pictures/leak.png")
NAMES = {  # model -> its words and colour, in the order of the legend
    "imagenet": ("VGG-16 from ImageNet's weights", "tab:blue"),
    "random": ("VGG-16 from random weights", "tab:orange"),
    "thumbnails": ("25×25 thumbnails, no network", "tab:green"),
    "acquisition": ("three grey values, no network", "tab:red"),
    "nearest thumbnail": ("look-up of the nearest thumbnail", "0.45"),
}
GAP = 4.2  # points between two lines of text, at least


def draw(path, by_image, by_series, commonest):
    """A line a model, from its accuracy of slices by image to that by series; both map model -> percent.

    `commonest` is what a model gets that always says the commonest class.
    """
    figure = canvas.figure(7.2, 4.8)
    axes = figure.subplots()
    for name, (_, colour) in NAMES.items():
        axes.plot([0, 1], [by_image[name], by_series[name]], color=colour, marker="o", linewidth=2)
    below = -np.inf
    for name in sorted(NAMES, key=by_series.get):
        below = max(by_series[name], below + GAP)
        words, colour = NAMES[name]
        axes.text(1.04, below, f"{by_series[name]:.0f} %  {words}", color=colour, va="center", fontsize=9.5)
    for group in groups([by_image[name] for name in NAMES]):
        ends = " to ".join(dict.fromkeys(f"{end:.0f}" for end in (group[0], group[-1])))
        axes.text(-0.04, np.mean(group), f"{ends} %", ha="right", va="center", fontsize=9.5)
    axes.plot([0, 1], [commonest] * 2, color="0.7", linestyle=":", linewidth=1)
    axes.text(0.5, commonest - 1, "always the commonest class", color="0.45", fontsize=8.5, ha="center", va="top")
    axes.set_xlim(-0.5, 2.15)
    axes.set_ylim(35, 103)
    axes.set_xticks([0, 1], ["split by image:\nother slices of the scan are seen", "split by series:\nthe scan is new"])
    axes.set_ylabel("right slices, %")
    axes.set_title("Near 100 % where slices of the scan were seen; in new scans all fall", fontsize=12, loc="left")
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", length=0, labelsize=9.5)
    canvas.save(figure, path)


def groups(values):
    """The values in lists, ascending, each of which lies less than GAP from the next."""
    ascending = np.sort(values)
    return np.split(ascending, np.flatnonzero(np.diff(ascending) >= GAP) + 1)


def accuracies(path):
    """Model -> accuracy of slices in percent, of a study's file."""
    models = json.loads(Path(path).read_text())["probes"]["models"]
    return {name: 100 * models[name]["slices"]["accuracy"] for name in NAMES}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("by_image", help="the study's file by image")
    parser.add_argument("by_series", help="the same by series")
    given = parser.parse_args()
    classes = pd.read_csv("benchmark/series.csv").query("use == 'open'")["class"]
    commonest = 100 * classes.value_counts(normalize=True).max()
    draw(CHART, accuracies(given.by_image), accuracies(given.by_series), commonest)


if __name__ == "__main__":
    main()
