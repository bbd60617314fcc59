"""Pictures made of images: what the models look at, and test images beside training images."""

import textwrap

import numpy as np

from kidneyct.maps.methods import PAPER
from kidneyct.report import canvas, heat, titles

BESIDE = {"rotation": 0, "ha": "right", "va": "center", "fontsize": 8, "labelpad": 6}  # a row, its name
LEGEND = (
    f"Each map by itself, from 0 to its maximum, which is written in it (fine maps: the {heat.CLIP}th percentile); "
    "coarse ones over the image. Research software, not for clinical use."
)


def explanations(examples, title):
    """As the paper's figures 5 and 6, with more maps: a row an `Example`, its original and a panel for each map."""
    methods = list(examples[0].maps)
    figure, panels = _grid(title, len(examples), 1 + len(methods))
    for row, example in zip(panels, examples, strict=True):
        row[0].imshow(example.image)
        for axes, method in zip(row[1:], methods, strict=True):
            _show_map(axes, example, method)
        actual = "" if example.label is None else f"actual {example.label}\n"
        row[0].set_ylabel(f"{textwrap.fill(example.name, 20)}\n{actual}{_verdict(example)}", **BESIDE)
    for axes, heading in zip(panels[0], ["original", *(titles.MAPS[method] for method in methods)], strict=True):
        axes.set_title(heading, fontsize=10)
    return figure


def explanation_pairs(pairs, names):
    """The same images under both models: original, then each model's saliency map and Grad-CAM.

    `pairs` holds an `Example` of each model for every image; `names` says which model is which.
    """
    figure, panels = _grid("The same images, both models", len(pairs), 1 + len(PAPER) * len(names))
    for row, pair in zip(panels, pairs, strict=True):
        row[0].imshow(pair[0].image)
        row[0].set_ylabel(f"{textwrap.fill(pair[0].name, 20)}\nactual {pair[0].label}", **BESIDE)
        for number, example in enumerate(pair):
            first = 1 + len(PAPER) * number
            for axes, method in zip(row[first:], PAPER, strict=False):
                _show_map(axes, example, method)
            box = {"facecolor": "black", "alpha": 0.65, "linewidth": 0, "pad": 2}
            style = {"transform": row[first].transAxes, "fontsize": 7, "color": "white", "bbox": box}
            row[first].text(0.03, 0.03, _verdict(example), **style)
    panels[0][0].set_title("original", fontsize=9)
    for number, name in enumerate(names):
        for place, method in enumerate(PAPER):
            heading = f"{name if place == 0 else ''}\n{titles.MAPS[method]}"
            panels[0][1 + len(PAPER) * number + place].set_title(heading, fontsize=9)
    return figure


def leakage_pairs(pairs, table, images, series, columns=4):
    """The closest pairs across the split: each test image above its nearest training image.

    `pairs` is a table of rows of the index, test and training, and of the correlation of their thumbnails; `table`
    is the split, `images` (n, h, w, 3) and `series` (n,) in its order.
    """
    lines, names = -(-len(pairs) // columns), table["image"].str.split("/").str[-1]
    figure = canvas.figure(2.6 * columns, 6.6 * lines + 0.5)
    panels = figure.subplots(2 * lines, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for number, pair in enumerate(pairs.itertuples()):
        line, column = divmod(number, columns)
        above, below = panels[2 * line][column], panels[2 * line + 1][column]
        above.imshow(images[pair.test])
        below.imshow(images[pair.training])
        above.set_title(f"test: {names[pair.test]}\nseries {series[pair.test]}", fontsize=8)
        same = "same" if table["label"][pair.test] == table["label"][pair.training] else "ANOTHER"
        said = f"series {series[pair.training]}, correlation {pair.correlation:.4f}\n{same} class"
        below.set_title(f"training: {names[pair.training]}\n{said}", fontsize=8)
    figure.suptitle("Test images and the training images nearest to them", fontsize=12)
    return figure


def _verdict(example):
    mark = "" if example.label is None else ", right" if example.predicted == example.label else ", WRONG"
    return f"predicted {example.predicted}\n{example.probability:.1%}{mark}"


def _show_map(axes, example, method):
    values, size = example.maps[method], example.image.shape[:2]
    axes.imshow(heat.picture(example.image, values))
    top = heat.top(values, size)
    axes.text(0.03, 0.97, f"{top:.2g}", color="white", fontsize=6, ha="left", va="top", transform=axes.transAxes)
    if not values.any():
        height, width = size
        style = {"color": "white", "ha": "center", "va": "center", "fontsize": 9}
        axes.text(width / 2, height / 2, "no positive\nevidence", **style)


def _grid(title, rows, columns):
    """A figure of square panels without ticks, a band for the title above and for the legend below."""
    width, height = 2.0 * columns + 1.5, 2.0 * rows + 1.45
    figure = canvas.figure(width, height, layout=None)
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=1.4 / width, right=1 - 0.1 / width, top=1 - 0.75 / height, bottom=0.7 / height, wspace=0.04, hspace=0.04
    )
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
    figure.suptitle(title, fontsize=12, y=1 - 0.2 / height, va="center")
    bar = figure.add_axes((0.5 - 0.9 / width, 0.45 / height, 1.8 / width, 0.1 / height))
    bar.imshow(np.linspace(0, 1, 256)[None], cmap=heat.HEAT, aspect="auto")
    bar.set(xticks=[], yticks=[])
    bar.text(-0.03, 0.5, "0", transform=bar.transAxes, fontsize=7, ha="right", va="center")
    bar.text(1.03, 0.5, "maximum", transform=bar.transAxes, fontsize=7, ha="left", va="center")
    figure.text(0.5, 0.2 / height, LEGEND, fontsize=7, ha="center", va="center", wrap=True)
    return figure, panels
