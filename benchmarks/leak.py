"""The same models tested by image and by whole series: what the split alone is worth.

    python -m benchmarks.leak metrics/all-slices-by-image.json metrics/all-slices.json

Both files are what `kidneyct study` writes, of the same probes with `by: image` and `by: series`. Writes
docs/pictures/leak.png.
"""

import argparse
import json
from pathlib import Path

from kidneyct.report import canvas

CHART = Path("docs/pictures/leak.png")
NAMES = {  # model -> its words and colour, in the order of the legend
    "imagenet": ("VGG-16 from ImageNet's weights", "tab:blue"),
    "random": ("VGG-16 from random weights", "tab:orange"),
    "thumbnails": ("25×25 thumbnails, no network", "tab:green"),
    "acquisition": ("three grey values, no network", "tab:red"),
    "nearest thumbnail": ("a look-up of the nearest thumbnail", "0.45"),
}
GAP = 4.2  # points between two numbers at one end, at least


def draw(path, by_image, by_series):
    """A line a model, from its accuracy of slices by image to that by series; both map model -> percent."""
    figure = canvas.figure(7.2, 5.2)
    axes = figure.subplots()
    for side, values in enumerate((by_image, by_series)):
        places = spread([values[name] for name in NAMES])
        for (name, (words, colour)), place in zip(NAMES.items(), places, strict=True):
            text = f"{values[name]:.0f} %" if side == 0 else f"{values[name]:.0f} %  {words}"
            where = {"ha": "left", "x": 1.03} if side else {"ha": "right", "x": -0.03}
            axes.text(s=text, y=place, va="center", color=colour, fontsize=9, **where)
    for name, (_, colour) in NAMES.items():
        axes.plot([0, 1], [by_image[name], by_series[name]], color=colour, marker="o", linewidth=2)
    axes.set_xlim(-0.25, 2.15)
    axes.set_ylim(20, 104)
    axes.axhline(25, xmin=0.1, xmax=0.48, color="0.7", linestyle=":", linewidth=1)
    axes.text(0.5, 25.5, "guessing among four classes", color="0.5", fontsize=8, ha="center", va="bottom")
    axes.set_xticks([0, 1], ["test slices are neighbours\nof training slices", "test scans are\nnew to the model"])
    axes.set_ylabel("right slices, %")
    axes.set_title("The same models, two ways to split", fontsize=12, loc="left")
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", length=0)
    canvas.save(figure, path)


def spread(values):
    """Where numbers stand beside their points: at their own value, or so far above the next that both can be read."""
    places, last = list(values), None
    for number in sorted(range(len(values)), key=values.__getitem__):
        places[number] = values[number] if last is None else max(values[number], last + GAP)
        last = places[number]
    return places


def accuracies(path):
    """Model -> accuracy of slices in percent, of a study's file."""
    models = json.loads(Path(path).read_text())["probes"]["models"]
    return {name: 100 * models[name]["slices"]["accuracy"] for name in NAMES}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("by_image", help="the study's file by image")
    parser.add_argument("by_series", help="the same by series")
    given = parser.parse_args()
    draw(CHART, accuracies(given.by_image), accuracies(given.by_series))


if __name__ == "__main__":
    main()
