"""A study as pictures: how far its starts lie apart, which scans nobody gets, and what its arms reach."""

import textwrap

import numpy as np

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
# Of Okabe and Ito's palette, told apart by colour-blind readers too, each with a marker for print without colour.
PRIMARY_STYLE, RANDOM_STYLE, BASELINE_STYLE = ("#0072B2", "o"), ("#D55E00", "s"), ("0.45", "d")
METRICS = {"macro_auroc": "macro AUROC of series, %", "accuracy": "test accuracy, %", "macro_f1": "macro F1, %"}
LINES = {  # baseline -> what to call it, line, colour
    "majority_class": ("majority class", ":", "0.35"),
    "nearest_thumbnail": ("nearest thumbnail", "--", "#009E73"),
    "linear_model": ("linear model on thumbnails", "-.", "#CC79A7"),
    "acquisition": ("acquisition", (0, (3, 1, 1, 1, 1, 1)), "#56B4E9"),
    "acquisition_size": ("acquisition with size", (0, (1, 3)), "#56B4E9"),
}
DARK, TITLE = "0.15", {"fontsize": 14, "x": 0.01, "ha": "left"}
LINE = 0.36  # inches a row of a chart is high


def draw(path, result):
    """Macro AUROC of series by every model, and by the starts for each block and share of the training series.

    `result` is what `starts.summarise` gives. The random draws are dots behind their mean.
    """
    order = _ordered({model: estimates[starts.PRIMARY]["value"] for model, estimates in result["models"].items()})
    curved = dict(zip(result["blocks"], (PRIMARY_STYLE, RANDOM_STYLE), strict=True))
    height = LINE * len(order) + 0.8
    figure = canvas.figure(9, height + 4.4)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.1)
    above, below = figure.subfigures(2, height_ratios=(height, 4.4))
    figure.suptitle(starts.sentences(result, NAMES)[0], **TITLE)
    _models(above.subplots(), result, {model: curved.get(model, BASELINE_STYLE) for model in order})
    blocks, shares = below.subplots(1, 2, sharey=True)
    _curves(blocks, result["blocks"], curved, lambda part: part.removeprefix("block ").removesuffix(" blocks"))
    _curves(shares, result["shares"], curved, lambda share: f"{100 * float(share):g} %")
    blocks.set_title("Each block of VGG-16 by itself", fontsize=11)
    blocks.set_ylabel("macro AUROC over series, %", fontsize=10.5)
    shares.set_title("All blocks, a share of the training series", fontsize=11)
    shares.legend(fontsize=10.5, frameon=False)
    _note(
        figure,
        f"{result['series']} series, {result['images']:,} images. Linear probes on frozen features, each "
        f"tested on folds that it has not seen, in {result['cuts']} cuts into folds (single blocks and smaller "
        f"shares: {result['curves']['cuts']} cuts, {result['curves']['draws']} draws). Small dots: the "
        f"{result['draws']} draws of random weights. "
        "Bars: 95 % intervals over series, training, cuts and draws. In grey: other starts and, below random weights, "
        "what needs no network; the three grey values are a picture's mean, its deviation and the mean of its border.",
    )
    canvas.save(figure, path)


def _note(figure, text):
    figure.supxlabel(textwrap.fill(text, 112), fontsize=9.5, color=DARK, x=0.01, ha="left")


def _ordered(values):
    """Models by their values: starts, random, baselines, the best of each first."""
    group = {starts.RANDOM: 1} | dict.fromkeys(starts.BASELINES, 2)
    return sorted(values, key=lambda model: (group.get(model, 0), -values[model]))


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
        value, low, high = (f"{100 * estimate[end]:.1f}" for end in ("value", "low", "high"))
        style = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 10.5, "color": DARK}
        axes.text(1.01, place, f"{value}  ({low} to {high})", **style)
    axes.axvline(0.5, color=DARK, linewidth=1, linestyle="--", zorder=0)
    axes.annotate("chance", (0.5, -0.5), (4, 0), textcoords="offset points", va="top", fontsize=10.5, color=DARK)
    axes.set_yticks(range(len(styles)), [NAMES.get(model, model) for model in styles], fontsize=11)
    axes.set_ylim(len(styles) - 0.4, -0.6)
    axes.set_xlabel("macro AUROC over series, %", fontsize=10.5)
    _plain(axes, "x")


def _curves(axes, curves, styles, title):
    """A line a model over the columns of `curves`, model -> column -> estimate, their intervals side by side."""
    columns = list(next(iter(curves.values())))
    for number, (model, (colour, marker)) in enumerate(styles.items()):
        estimates = list(curves[model].values())
        places = np.arange(len(columns)) + 0.07 * (number - (len(styles) - 1) / 2)
        values, *ends = ([estimate[key] for estimate in estimates] for key in ("value", "low", "high"))
        axes.vlines(places, *ends, color=colour, linewidth=1.2, alpha=0.7)
        look = {"marker": marker, "markersize": 7, "markeredgecolor": "white", "label": NAMES.get(model, model)}
        axes.plot(places, values, color=colour, linewidth=1.6, **look)
    axes.set_xticks(range(len(columns)), [title(column) for column in columns], fontsize=10.5)
    axes.set_xlim(-0.4, len(columns) - 0.6)
    _plain(axes, "y")


def _plain(axes, grid):
    axes.grid(axis=grid, color="0.92")
    getattr(axes, f"{grid}axis").set_major_formatter(lambda value, _: f"{100 * value:g}")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)


def heat(path, table):
    """Each series by each model, as `starts.heat` has them: the mean probability of the series' own class.

    Within a class the series with the lowest mean over the models come first.
    """
    models = _ordered(dict.fromkeys(table.columns[3:], 0))
    order = table[models].mean(axis=1).argsort(kind="stable")
    table, classes = table.iloc[order], sorted(table["class"].unique())
    chance = 1 / len(classes)
    lost = (table[models].max(axis=1) <= chance).to_numpy()
    figure = canvas.figure(9, LINE * len(models) + 2.4)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.1, wspace=0)
    title = f"{lost.sum()} of {len(table)} series get no more than chance ({100 * chance:.0f} %) from any model"
    figure.suptitle(title, **TITLE)
    counts = table["class"].value_counts()[classes]
    panels = figure.subplots(1, len(classes), sharey=True, squeeze=False, width_ratios=counts)[0]
    for axes, label in zip(panels, classes, strict=True):
        own = (table["class"] == label).to_numpy()
        values = table.loc[own, models].to_numpy().T
        scale = canvas.matplotlib.colors.TwoSlopeNorm(chance, 0, 1)
        drawn = axes.imshow(values, "PuOr", scale, aspect="auto", interpolation="nearest")
        axes.bar(np.flatnonzero(lost[own]), 0.6, 0.8, -1.3, color="black")
        axes.set_xlabel(f"{label}\n{own.sum()} series\n{lost[own].sum()} lost", fontsize=10.5)
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    names = ["lost", *(NAMES.get(model, model) for model in models)]
    panels[0].set_yticks(range(-1, len(models)), names, fontsize=11)
    panels[0].set_ylim(len(models) - 0.5, -1.4)
    bar = figure.colorbar(drawn, ax=list(panels), pad=0.02, ticks=[0, chance, 1])
    bar.ax.set_yticklabels(["0", "chance", "1"])
    bar.set_label("probability of its own class", fontsize=10.5)
    _note(
        figure,
        "A column is a series, the hardest of its class first. Its colour is the mean probability that a model gives "
        "to its class, by probes of the other folds. Lost: no model gives it more than chance.",
    )
    canvas.save(figure, path)


def forest(path, splits):
    """METRICS of arms and controls with their 95 % intervals; `splits` is study.json's, by name.

    Arms, then controls, by rows, ways of splitting side by side, baselines as lines.
    """
    kinds = ("arms", "controls")
    rows = list(dict.fromkeys((kind, name) for kind in kinds for split in splits.values() for name in split[kind]))
    figure = canvas.figure(4.2 * len(splits) + 2.2, len(METRICS) * (0.36 * len(rows) + 1.1) + 0.7)
    panels = figure.subplots(len(METRICS), len(splits), sharey=True, squeeze=False)
    for line, (metric, title) in zip(panels, METRICS.items(), strict=True):
        for axes, (name, split) in zip(line, splits.items(), strict=True):
            for baseline, (label, dashes, colour) in LINES.items():
                if found := split["baselines"][baseline].get(metric):
                    axes.axvline(found["value"], linestyle=dashes, color=colour, linewidth=1.3, label=label)
            for place, (kind, label) in enumerate(rows):
                if label in split[kind]:
                    _estimate(axes, place, split[kind][label], metric, kind)
            axes.set(xlim=(-0.02, 1.06), ylim=(len(rows) - 0.5, -0.5), xlabel=title)
            axes.set_yticks(range(len(rows)), [label for _, label in rows])
            _plain(axes, "x")
            if axes in panels[0]:
                seeds = f", {split['seeds']} seeds" if split["seeds"] > 1 else ""
                axes.set_title(f"{name}\n{split['images']:,} images of {split['series']} series{seeds}", fontsize=11)
    handles, labels = panels[-1][0].get_legend_handles_labels()
    columns = min(2 * len(splits), len(LINES))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    canvas.save(figure, path)


def _estimate(axes, place, model, metric, kind):
    colour, marker, _, fill = canvas.STYLES["candidate" if kind == "arms" else "control"]
    estimate = model[metric]
    if "low" in estimate:
        low, high = max(estimate["low"], 0), min(estimate["high"], 1)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(estimate["value"], place, marker, color=colour, fillstyle=fill, markersize=7)
    lost = ", ".join(f"{model[word]} of {model['runs']} {word}" for word in ("collapsed", "untrained") if model[word])
    told = f"{100 * estimate['value']:.1f}" + (f" ({lost})" if lost else "")
    above = {"textcoords": "offset points", "ha": "center", "bbox": {"fc": "white", "ec": "none", "pad": 0.6}}
    axes.annotate(told, (estimate["value"], place), (0, 6), fontsize=7, **above)
