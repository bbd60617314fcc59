"""A study's probes as pictures: how far the starts lie apart, and which scans nobody gets."""

import itertools
import textwrap

import numpy as np
from scipy.optimize import isotonic_regression

from kidneyct.experiments import starts
from kidneyct.report import canvas

NAMES = {  # in a chart; others bear the study's names
    "imagenet": "ImageNet",
    "imagenet, unit pixels": "ImageNet, pixels/255",
    "photographs": "filters of photographs",
    "he": "random, He's scale",
    "random": "random weights",
    "thumbnails": "thumbnails, linear",
    "acquisition": "three grey values",
    "acquisition, size": "grey values and size",
}
# Okabe and Ito's palette, told apart by colour-blind readers too, each with a marker for print without colour.
PRIMARY, RANDOM, BASELINE = ("#0072B2", "o"), ("#D55E00", "s"), ("0.45", "d")
OTHERS = (("#56B4E9", "v"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "P"))
DARK = "0.15"
LINE = 0.36  # inches a row of a chart is high


def draw(path, result):
    """Macro AUROC of series by every model, and by the starts for each block and share of the training series.

    `result` is what `starts.summarise` gives. The random draws are dots behind their mean.
    """
    styles = _styles(result)
    curved = {model: style for model, style in styles.items() if model in result["blocks"]}
    height = LINE * len(styles) + 0.8
    figure = canvas.figure(9, height + 4.4)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.1)
    above, below = figure.subfigures(2, height_ratios=(height, 4.4))
    _title(figure, finding(result))
    _models(above.subplots(), result, styles)
    blocks, shares = below.subplots(1, 2, sharey=True)
    _curves(blocks, result["blocks"], curved, lambda part: part.removeprefix("block ").removesuffix(" blocks"))
    _curves(shares, result["shares"], curved, lambda share: f"{100 * float(share):g} %")
    blocks.set_title("Each block of VGG-16 by itself", fontsize=11)
    blocks.set_ylabel("macro AUROC over series", fontsize=10.5)
    shares.set_title("All blocks, a share of the training series", fontsize=11)
    _name(shares, result["shares"], curved)
    _note(
        figure,
        f"{result['series']} series, {result['images']:,} images. Linear probes on frozen features; each series is "
        f"tested by probes that have not seen it, in {result['cuts']} cuts into folds (single blocks and smaller "
        f"shares: {result['curves']['cuts']} cuts, {result['curves']['draws']} draws). Small dots: the "
        f"{result['draws']} draws of random weights. "
        "Bars: 95 % intervals over series, training, cuts and draws. In grey: other starts and, below random weights, "
        "what needs no network; the three grey values are a picture's mean, its deviation and the mean of its border.",
    )
    canvas.save(figure, path)


def finding(result):
    """The primary contrast as one sentence, in the plan's four cases."""
    pair, estimates = next(iter(result["contrasts"].items()))
    start = pair.split(" less ")[0]
    name, gap = NAMES.get(start, start), estimates[starts.PRIMARY]
    points, low, high = (100 * gap[key] for key in ("value", "low", "high"))
    if low > 0 or high < 0:
        side = "ahead of" if low > 0 else "behind"
        return f"{name}'s features are {abs(points):.1f} points {side} random ones, by whole series"
    if max(-gap["low"], gap["high"]) <= starts.MARGIN:
        return f"{name}'s features and random ones are equivalent within {100 * starts.MARGIN:.0f} points"
    return f"{name}'s features against random ones: not settled, {low:+.1f} to {high:+.1f} points"


def _title(figure, text):
    figure.suptitle(text, fontsize=14, x=0.01, ha="left")


def _note(figure, text):
    figure.supxlabel(textwrap.fill(text, 112), fontsize=9.5, color=DARK, x=0.01, ha="left")


def _ordered(values):
    """Models by their values: starts, random, baselines, the best of each first."""
    group = {starts.RANDOM: 1} | dict.fromkeys(starts.BASELINES, 2)
    return sorted(values, key=lambda model: (group.get(model, 0), -values[model]))


def _styles(result):
    """Model -> (colour, marker), in their order."""
    order = _ordered({model: estimates[starts.PRIMARY]["value"] for model, estimates in result["models"].items()})
    primary, *others = (model for model in result["blocks"] if model != starts.RANDOM)
    styles = {primary: PRIMARY, starts.RANDOM: RANDOM} | dict(zip(others, itertools.cycle(OTHERS), strict=False))
    return {model: styles.get(model, BASELINE) for model in order}


def _models(axes, result, styles):
    for place, (model, (colour, marker)) in enumerate(styles.items()):
        estimate = result["models"][model][starts.PRIMARY]
        if model == starts.RANDOM:
            draws = result["draw_values"]
            apart = place + 0.5 * (np.arange(len(draws)) % 2 - 0.5)
            axes.plot(draws, apart, "o", color=colour, alpha=0.4, markersize=4, markeredgewidth=0)
            axes.axvline(estimate["value"], color=colour, linewidth=1, linestyle=":", zorder=0)
        axes.plot([estimate["low"], estimate["high"]], [place] * 2, color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(estimate["value"], place, marker, color=colour, markersize=9, markeredgecolor="white")
        axes.text(
            1.01,
            place,
            f"{estimate['value']:.3f}  ({estimate['low']:.2f} to {estimate['high']:.2f})",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=10.5,
            color=DARK,
        )
    axes.axvline(0.5, color=DARK, linewidth=1, linestyle="--", zorder=0)
    axes.annotate("chance", (0.5, -0.5), (4, 0), textcoords="offset points", va="top", fontsize=10.5, color=DARK)
    axes.set_yticks(range(len(styles)), [NAMES.get(model, model) for model in styles], fontsize=11)
    axes.set_ylim(len(styles) - 0.4, -0.6)
    axes.set_xlabel("macro AUROC over series", fontsize=10.5)
    _plain(axes, "x")


def _curves(axes, curves, styles, title):
    """A line a model over the columns of `curves`, model -> column -> estimate, their intervals side by side."""
    columns = list(next(iter(curves.values())))
    for number, (model, (colour, marker)) in enumerate(styles.items()):
        estimates = list(curves[model].values())
        places = np.arange(len(columns)) + 0.07 * (number - (len(styles) - 1) / 2)
        ends = zip(*((estimate["low"], estimate["high"]) for estimate in estimates), strict=True)
        axes.vlines(places, *ends, color=colour, linewidth=1.2, alpha=0.7)
        axes.plot(
            places,
            [estimate["value"] for estimate in estimates],
            marker=marker,
            color=colour,
            markersize=7,
            markeredgecolor="white",
            linewidth=1.6,
        )
    axes.set_xticks(range(len(columns)), [title(column) for column in columns], fontsize=10.5)
    axes.set_xlim(-0.4, len(columns) - 0.6)
    _plain(axes, "y")


def _name(axes, curves, styles):
    """Write each model's name at the right of its last point, apart from the others."""
    last = {model: list(curves[model].values())[-1]["value"] for model in styles}
    low, high = axes.get_ylim()
    place = len(next(iter(curves.values()))) - 0.4
    for (model, value), beside in zip(last.items(), spread(list(last.values()), 0.075 * (high - low)), strict=True):
        axes.annotate(
            NAMES.get(model, model),
            (place - 0.35, value),
            (place, beside),
            va="center",
            fontsize=10.5,
            color=DARK,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": styles[model][0], "shrinkA": 1, "shrinkB": 0, "relpos": (0.0, 0.5)},
        )


def spread(values, gap):
    """Values (n,) moved as little as can be (least squares) so that they keep their order and lie `gap` apart."""
    order, steps = np.argsort(values, kind="stable"), gap * np.arange(len(values))
    moved = np.empty(len(values))
    moved[order] = isotonic_regression(np.asarray(values, float)[order] - steps).x + steps
    return moved


def _plain(axes, grid):
    axes.grid(axis=grid, color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)


def heat(path, table):
    """Each series by each model, as `starts.heat` has them: the mean probability of the series' own class.

    Within a class the series with the lowest mean over the models come first.
    """
    models = _ordered(dict.fromkeys(table.columns[3:], 0))
    order = table[models].mean(axis=1).argsort(kind="stable")
    table, lost = table.iloc[order], unseen(table)[order]
    classes, chance = sorted(table["class"].unique()), 1 / table["class"].nunique()
    figure = canvas.figure(9, LINE * len(models) + 2.4)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.1, wspace=0)
    _title(figure, f"{lost.sum()} of {len(table)} series get no more than chance ({100 * chance:.0f} %) from any model")
    counts = table["class"].value_counts()[classes]
    panels = figure.subplots(1, len(classes), sharey=True, squeeze=False, width_ratios=counts)[0]
    for axes, label in zip(panels, classes, strict=True):
        own = (table["class"] == label).to_numpy()
        values = table.loc[own, models].to_numpy().T
        drawn = axes.imshow(
            values, "PuOr", canvas.matplotlib.colors.TwoSlopeNorm(chance, 0, 1), aspect="auto", interpolation="nearest"
        )
        axes.bar(np.flatnonzero(lost[own]), 0.6, 0.8, -1.3, color="black")
        axes.set_xlabel(f"{label}\n{own.sum()} series\n{lost[own].sum()} lost", fontsize=10.5)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    panels[0].set_yticks(
        [-1, *range(len(models))], ["lost", *(NAMES.get(model, model) for model in models)], fontsize=11
    )
    panels[0].set_ylim(len(models) - 0.5, -1.4)
    bar = figure.colorbar(drawn, ax=list(panels), pad=0.02, ticks=[0, chance, 1])
    bar.ax.set_yticklabels(["0", "chance", "1"])
    bar.set_label("probability of its own class", fontsize=10.5)
    _note(
        figure,
        "A column is a series, the hardest of its class first. Its colour is the mean probability that a model gives "
        "to its class, by probes that have not seen the series. Lost: no model gives it more than chance.",
    )
    canvas.save(figure, path)


def unseen(table):
    """Which series (g,) bool of `starts.heat` no model gives a higher probability of their own class than chance."""
    return (table.iloc[:, 3:].max(axis=1) <= 1 / table["class"].nunique()).to_numpy()
