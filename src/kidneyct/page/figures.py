"""Drawing what the others computed, as PNG files whose bytes depend on nothing else."""

from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

matplotlib.use("Agg")
matplotlib.rcParams["text.parse_math"] = False  # a file's name may hold dollars

DPI = 150
HEAT = "inferno"  # even in brightness, readable in grey and by colour-blind readers
OPACITY = 0.55  # of a coarse map over its image
CLIP = 99  # percentile of a fine map that is shown as its maximum, lest one pixel darken all others
LEGEND = (
    f"Each map by itself, from 0 to its maximum, which is written in it (fine maps: the {CLIP}th percentile). "
    "Research software, not for clinical use."
)
TITLES = {
    "saliency": "saliency map",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "integrated gradients",
    "gradcam": "Grad-CAM",
    "gradcam_plus_plus": "Grad-CAM++",
}
PAPER = ("saliency", "gradcam")  # the maps of the paper's figures 5 and 6


class Explained(NamedTuple):
    name: str  # of the image's file
    image: np.ndarray  # (h, w, 3) uint8
    label: str | None  # the true class, where it is known
    predicted: str
    probability: float  # of the predicted class
    maps: dict  # method -> (h, w), or smaller


def explained(table, classes, images, maps, mistakes=False):
    """Rows to draw: the images that `maps` (an explain stage's arrays) names by row of the index.

    The examples, which are the same for every model, or the model's most confident mistakes.
    """
    return [
        Explained(
            table["image"][row].split("/")[-1],
            images[row],
            table["label"][row],
            classes[maps["predicted"][number]],
            float(maps["probability"][number]),
            {method: maps[method][number] for method in TITLES if method in maps},
        )
        for number, row in enumerate(maps["rows"])
        if bool(maps["mistake"][number]) == mistakes
    ]


def to_unit(values, percentile=100):
    """Scale to 0..1 by a percentile, clipping above; a map of zeros stays zero."""
    top = np.percentile(values, percentile)
    return np.clip(values / top, 0, 1) if top > 0 else np.zeros_like(values)


def _save(figure, path):
    figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _verdict(row):
    mark = "" if row.label is None else ", right" if row.predicted == row.label else ", WRONG"
    return f"predicted {row.predicted}\n{row.probability:.1%}{mark}"


def picture(image, values):
    """A map (h', w') as an RGB picture of its image (h, w, 3) uint8: fine by itself, coarse laid over the image."""
    height, width = image.shape[:2]
    fine = values.shape == (height, width)
    heat = to_unit(values, CLIP if fine else 100).astype("float32")
    if not fine:
        heat = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR))
    colours = matplotlib.colormaps[HEAT](heat)[..., :3] * 255
    mixed = colours if fine else OPACITY * colours + (1 - OPACITY) * image
    return mixed.round().astype("uint8")


def _show_map(axes, row, method):
    values, (height, width) = row.maps[method], row.image.shape[:2]
    axes.imshow(picture(row.image, values))
    top = np.percentile(values, CLIP) if values.shape == (height, width) else values.max()
    axes.text(0.03, 0.97, f"{top:.2g}", color="white", fontsize=6, ha="left", va="top", transform=axes.transAxes)
    if not values.any():
        style = {"color": "white", "ha": "center", "va": "center", "fontsize": 9}
        axes.text(width / 2, height / 2, "no positive\nevidence", **style)


def _grid(title, rows, columns):
    """A figure of square panels without ticks, a band for the title above and for the legend below."""
    width, height = 2.0 * columns + 1.5, 2.0 * rows + 1.45
    figure = Figure(figsize=(width, height), facecolor="white")
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=1.4 / width, right=1 - 0.1 / width, top=1 - 0.75 / height, bottom=0.7 / height, wspace=0.04, hspace=0.04
    )
    for axes in panels.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    figure.suptitle(title, fontsize=12, y=1 - 0.2 / height, va="center")
    bar = figure.add_axes((0.5 - 0.9 / width, 0.45 / height, 1.8 / width, 0.1 / height))
    bar.imshow(np.linspace(0, 1, 256)[None], cmap=HEAT, aspect="auto")
    bar.set_xticks([])
    bar.set_yticks([])
    bar.text(-0.03, 0.5, "0", transform=bar.transAxes, fontsize=7, ha="right", va="center")
    bar.text(1.03, 0.5, "maximum", transform=bar.transAxes, fontsize=7, ha="left", va="center")
    figure.text(0.5, 0.2 / height, LEGEND, fontsize=7, ha="center", va="center", wrap=True)
    return figure, panels


def _name_row(axes, text):
    axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8, labelpad=6)


def explanations(path, rows, title, none="none among the test images"):
    """As the paper's figures 5 and 6, with more maps: a row an image, its original and a panel for each map.

    `none` is what is written where there are no rows.
    """
    if not rows:
        return _message(path, title, none)
    figure, panels = _grid(title, len(rows), 1 + len(rows[0].maps))
    for line, row in zip(panels, rows, strict=True):
        line[0].imshow(row.image)
        for axes, method in zip(line[1:], row.maps, strict=True):
            _show_map(axes, row, method)
        actual = "" if row.label is None else f"actual {row.label}\n"
        _name_row(line[0], f"{row.name}\n{actual}{_verdict(row)}")
    for axes, name in zip(panels[0], ["original", *(TITLES[method] for method in rows[0].maps)], strict=True):
        axes.set_title(name, fontsize=10)
    _save(figure, path)


def _message(path, title, text):
    figure = Figure(figsize=(6, 1.6), facecolor="white")
    figure.suptitle(title, fontsize=12)
    figure.text(0.5, 0.4, text, ha="center")
    _save(figure, path)


def explanation_pairs(path, pairs, names):
    """The same images under both models: original, then each model's saliency map and Grad-CAM.

    `pairs` holds an `Explained` of each model for every image; `names` says which model is which.
    """
    figure, panels = _grid("The same images, both models", len(pairs), 1 + len(PAPER) * len(names))
    for line, pair in zip(panels, pairs, strict=True):
        line[0].imshow(pair[0].image)
        _name_row(line[0], f"{pair[0].name}\nactual {pair[0].label}")
        for number, row in enumerate(pair):
            first = 1 + len(PAPER) * number
            for axes, method in zip(line[first:], PAPER, strict=False):
                _show_map(axes, row, method)
            line[first].text(
                0.03,
                0.03,
                _verdict(row),
                transform=line[first].transAxes,
                fontsize=7,
                color="white",
                bbox={"facecolor": "black", "alpha": 0.65, "linewidth": 0, "pad": 2},
            )
    panels[0][0].set_title("original", fontsize=9)
    for number, name in enumerate(names):
        for place, method in enumerate(PAPER):
            title = f"{name if place == 0 else ''}\n{TITLES[method]}"
            panels[0][1 + len(PAPER) * number + place].set_title(title, fontsize=9)
    _save(figure, path)


def confusion_pair(path, matrices, classes, names):
    """Both confusion matrices side by side, as figures 3 and 4: counts, coloured by share of the row."""
    figure = Figure(figsize=(10.5, 4.9), facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(matrices))
    for axes, matrix, name in zip(panels, matrices, names, strict=True):
        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(matrix.shape):
            axes.text(
                column,
                row,
                f"{matrix[row, column]}\n{shares[row, column]:.0%}",
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.5 else "black",
            )
        axes.set_xticks(range(len(classes)), classes)
        axes.set_yticks(range(len(classes)), classes)
        axes.set_xlabel("predicted")
        axes.set_ylabel("actual")
        correct = np.trace(matrix) / matrix.sum()
        axes.set_title(f"{name}\naccuracy {correct:.2%} of {matrix.sum()} test images", fontsize=11)
    figure.colorbar(drawn, ax=panels, shrink=0.85, label="share of the actual class")
    _save(figure, path)


def leakage_pairs(path, pairs, table, images, series, columns=4):
    """The closest pairs across the split: each test image above its nearest training image.

    `pairs` are `leakage.Pair`s, `table` the split, `images` (n, h, w, 3) and `series` (n,) in its order.
    """
    lines = -(-len(pairs) // columns)
    figure = Figure(figsize=(2.6 * columns, 6.6 * lines + 0.5), facecolor="white", layout="constrained")
    panels = figure.subplots(2 * lines, columns, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    for number, pair in enumerate(pairs):
        line, column = divmod(number, columns)
        above, below = panels[2 * line][column], panels[2 * line + 1][column]
        above.imshow(images[pair.test])
        below.imshow(images[pair.training])
        above.set_title(f"test: {_file(table, pair.test)}\nseries {series[pair.test]}", fontsize=8)
        same = "same" if table["label"][pair.test] == table["label"][pair.training] else "ANOTHER"
        below.set_title(
            f"training: {_file(table, pair.training)}\nseries {series[pair.training]}, "
            f"correlation {pair.correlation:.4f}\n{same} class",
            fontsize=8,
        )
    figure.suptitle("Test images and the training images nearest to them", fontsize=12)
    _save(figure, path)


def _file(table, row):
    return table["image"][row].split("/")[-1]


# A role's colour, marker and line: dark blue filled against light orange open, told apart in grey too.
STYLES = {"candidate": ("#00468b", "o", "-", "full"), "control": ("#e69f00", "s", "--", "none")}


def reliability_pair(path, tables, names):
    """Both models' reliability side by side, above a histogram of their confidences.

    `tables` are `calibration.reliability`'s, `names` the panels' titles.
    """
    figure = Figure(figsize=(10.5, 7.2), facecolor="white", layout="constrained")
    panels = figure.subplots(2, len(tables), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1))
    for column, table, name, (colour, marker, _, _) in zip(panels.T, tables, names, STYLES.values(), strict=True):
        chart, histogram = column
        width, centre = table["high"] - table["low"], (table["low"] + table["high"]) / 2
        chart.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle=":", label="confidence = accuracy")
        chart.vlines(
            table["confidence"], table["confidence"], table["accuracy"], color="0.6", linewidth=3, label="error"
        )
        chart.plot(table["confidence"], table["accuracy"], marker, color=colour, markersize=7, label="images of a bin")
        chart.set_title(name, fontsize=11)
        chart.set_xlim(-0.02, 1.02)
        chart.set_ylim(-0.02, 1.02)
        chart.legend(loc="upper left", fontsize=8, frameon=False)
        bars = histogram.bar(centre, table["count"], width * 0.92, color=colour)
        histogram.bar_label(bars, fontsize=7)
        histogram.margins(y=0.2)
        histogram.set_xlabel("confidence: probability of the predicted class")
    panels[0][0].set_ylabel("accuracy")
    panels[1][0].set_ylabel("test images")
    _save(figure, path)


def learning_curves(path, histories, names):
    """Accuracy and loss by epoch of both models: training light, validation strong."""
    figure = Figure(figsize=(10.5, 4.4), facecolor="white", layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, (metric, title) in zip(panels, {"accuracy": "accuracy", "loss": "cross-entropy"}.items(), strict=True):
        for history, name, (colour, marker, line, fill) in zip(histories, names, STYLES.values(), strict=True):
            axes.plot(history["epoch"], history[metric], line, color=colour, alpha=0.45, label=f"{name}, training")
            style = {"color": colour, "marker": marker, "fillstyle": fill, "markersize": 4}
            axes.plot(history["epoch"], history[f"val_{metric}"], line, **style, label=f"{name}, validation")
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="0.9")
    panels[0].set_ylim(-0.02, 1.02)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=9, frameon=False
    )
    _save(figure, path)


# Okabe and Ito's palette, told apart by colour-blind readers too, each with a marker for print without colour.
METHOD_STYLES = {
    "saliency": ("#0072B2", "o"),
    "smoothgrad": ("#56B4E9", "s"),
    "integrated_gradients": ("#009E73", "^"),
    "gradcam": ("#D55E00", "D"),
    "gradcam_plus_plus": ("#CC79A7", "v"),
}


def randomization_chart(path, tables, names, threshold):
    """How a map's likeness to the trained network's falls as blocks are randomised, a panel a model.

    `tables` are cascades (method, step, image, correlation), steps in order; lines are means over the images. Above
    `threshold` at the last step a map is uninformative.
    """
    figure = Figure(figsize=(5.2 * len(tables), 4.2), facecolor="white", layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, table, name in zip(panels, tables, names, strict=True):
        table = table.groupby(["method", "step"], sort=False)["correlation"].mean().reset_index()
        for method, rows in table.groupby("method", sort=False):
            colour, marker = METHOD_STYLES[method]
            axes.plot(
                rows["step"], rows["correlation"], color=colour, marker=marker, label=TITLES[method], markersize=5
            )
        axes.axhspan(threshold, 1.05, xmin=0, xmax=1, color="0.93", zorder=0)
        axes.axhline(0, color="0.4", linewidth=0.8, linestyle="--")
        axes.set_ylim(min(-0.25, np.nanmin([0, *table["correlation"]]) - 0.05), 1.05)
        axes.set_title(f"{name}: uninformative if it ends in the grey", fontsize=10)
        axes.set_xlabel("randomised from the scores down to …")
        axes.tick_params(axis="x", rotation=30)
    panels[0].set_ylabel("rank correlation with the trained model's map")
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8, frameon=False
    )
    _save(figure, path)


def sweep(path, table, summary, parameter, names, logarithmic=False):
    """Test accuracy and macro F1 of both roles over one parameter: each run, mean and standard deviation.

    `table` has a row for each run and role, `summary` one for each value and role (see `grid.points` and
    `grid.summarise`); rows of the value "all" draw one mean over the whole width. `names` says what to call each role.
    """
    values = list(dict.fromkeys(table["value"]))
    spaced = len(values) > 1 and not any(isinstance(value, str) for value in values)
    places = {value: value if spaced else number for number, value in enumerate(values)}
    figure = Figure(figsize=(10.5, 4.9), facecolor="white", layout="constrained")
    panels = figure.subplots(1, 2)
    metrics = {"accuracy": "test accuracy", "macro_f1": "macro F1"}
    for axes, (metric, title) in zip(panels, metrics.items(), strict=True):
        for (role, (colour, marker, line, fill)), aside in zip(STYLES.items(), (-0.08, 0.08), strict=True):
            shift = 0 if spaced else aside
            points = table[table["role"] == role]
            x = points["value"].map(places) + shift
            axes.plot(
                x, points[metric], marker, color=colour, fillstyle=fill, label=_counted(names[role], summary, role)
            )
            lost = points["collapsed"].to_numpy(bool)
            axes.plot(x[lost], points[metric][lost], "x", color="black", markersize=9)
            sums = summary[summary["role"] == role]
            mean, sd = sums[f"{metric}_mean"], sums[f"{metric}_sd"]  # sd is NaN, and not drawn, for a single run
            overall = sums["value"] == "all"
            if overall.any():
                mean, sd = mean[overall].item(), sd[overall].item()
                axes.axhline(mean, color=colour, linestyle=line)
                axes.axhspan(mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
                continue
            where = sums["value"].map(places).astype(float) + shift
            if spaced:
                axes.errorbar(where, mean, sd, color=colour, linestyle=line, capsize=3)
                axes.fill_between(where, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
            else:
                axes.plot(where, mean, "_", color=colour, markersize=24)
                axes.vlines(where, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=18)
        if logarithmic and spaced:
            axes.set_xscale("log")
        axes.set_xticks(list(places.values()), [_short(value) for value in values], minor=False)
        axes.minorticks_off()
        axes.set_xlabel(parameter)
        axes.set_title(title, fontsize=11)
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
        if not spaced:
            axes.set_xlim(-0.5, len(values) - 0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    if table["collapsed"].any():
        handles.append(Line2D([], [], color="black", marker="x", linestyle="", markersize=9))
        labels.append("collapsed: one class only")
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.suptitle("Each run, and mean ± standard deviation", fontsize=12)
    _save(figure, path)


def _counted(name, summary, role):
    rows = summary[summary["role"] == role]
    single = rows[rows["value"] != "all"]["runs"]
    each = f"{single.min()}" if single.min() == single.max() else f"{single.min()} to {single.max()}"
    return f"{name}: n = {single.sum()} runs, {each} a value"


def _short(value):
    text = f"{value:g}" if not isinstance(value, str) else value
    return text if len(text) <= 24 else f"…{text[-23:]}"
