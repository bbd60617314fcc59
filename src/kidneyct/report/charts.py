"""Both models' numbers side by side: confusion, calibration, learning, and what randomised weights leave of a map."""

import numpy as np

from kidneyct.files import predictions, tables
from kidneyct.maps.methods import METHODS
from kidneyct.report import canvas, titles

# Okabe and Ito's palette, told apart by colour-blind readers too, each with a marker for print without colour.
COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#000000")
MAP_STYLES = list(zip(COLOURS, "os^DvP", strict=True))
EXTERNAL = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "expected_calibration_error": "calibration error (0 is best)",
    "brier_score": "Brier score (0 to 2, 0 is best)",
}
APART = 0.17  # of a line's height, between the two models


def confusion_pair(matrices, classes, titles):
    """Both confusion matrices side by side, as figures 3 and 4: counts, coloured by share of the row.

    `matrices` are (classes, classes) int, rows the actual class; `titles` stand above the panels.
    """
    figure = canvas.figure(10.5, 4.9, layout="compressed")  # square panels would push titles out
    panels = figure.subplots(1, len(matrices))
    for axes, matrix, title in zip(panels, matrices, titles, strict=True):
        shares = predictions.shares(matrix)
        drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(matrix.shape):
            style = {"ha": "center", "va": "center", "color": "white" if shares[row, column] > 0.5 else "black"}
            axes.text(column, row, f"{matrix[row, column]}\n{shares[row, column]:.0%}", **style)
        axes.set_xticks(range(len(classes)), classes)
        axes.set_yticks(range(len(classes)), classes)
        axes.set(xlabel="predicted", ylabel="actual")
        axes.set_title(title, fontsize=11)
    figure.colorbar(drawn, ax=panels, shrink=0.85, label="share of the actual class")
    return figure


def reliability_pair(tables, titles):
    """Both models' reliability side by side, above a histogram of their confidences.

    `tables` are `evaluation.reliability`'s, `titles` stand above the panels.
    """
    figure = canvas.figure(10.5, 7.2)
    panels = figure.subplots(2, len(tables), sharex=True, sharey="row", squeeze=False, height_ratios=(3, 1))
    styles = canvas.STYLES.values()
    for column, table, title, (colour, marker, _, _) in zip(panels.T, tables, titles, styles, strict=True):
        chart, histogram = column
        width, centre = table["high"] - table["low"], (table["low"] + table["high"]) / 2
        confidence, accuracy = table["confidence"], table["accuracy"]
        chart.plot([0, 1], [0, 1], color="0.4", linewidth=1, linestyle=":", label="confidence = accuracy")
        chart.vlines(confidence, confidence, accuracy, color="0.6", linewidth=3, label="error")
        chart.plot(confidence, accuracy, marker, color=colour, markersize=7, label="images of a bin")
        chart.set_title(title, fontsize=11)
        chart.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        chart.legend(loc="upper left", fontsize=8, frameon=False)
        bars = histogram.bar(centre, table["count"], width * 0.92, color=colour)
        histogram.bar_label(bars, fontsize=7)
        histogram.margins(y=0.2)
        histogram.set_xlabel("confidence: probability of the predicted class")
    panels[0][0].set_ylabel("accuracy")
    panels[1][0].set_ylabel("test images")
    return figure


def similarity_curve(table, similarity):
    """By threshold of similarity the number of series, of series of two classes, and a look-up among other series.

    `table` is `leakage.curve`'s; `similarity`, the run's own threshold, is a line across. Of a table without lines
    the picture says why.
    """
    figure = canvas.figure(8.5, 2.9)
    if not len(table):
        figure.text(0.5, 0.5, "not computed: too many images, its time grows with their square", ha="center")
        return figure
    counts, look_up = figure.subplots(1, 2)
    counts.plot(table["similarity"], table["series"], "o-", color="#0072B2", markersize=4, label="series")
    counts.plot(table["similarity"], table["mixed"], "s--", color="#D55E00", markersize=4, label="of several classes")
    counts.set_ylabel("inferred series")
    look_up.plot(table["similarity"], table["nearest_thumbnail"], "o-", color="#009E73", markersize=4)
    look_up.set(ylabel="accuracy of the nearest\nthumbnail of another series", ylim=(-0.02, 1.02))
    for axes in (counts, look_up):
        axes.axvline(similarity, color="0.5", linestyle=":", label="series.similarity here")
        axes.set_xlabel("series.similarity")
        axes.grid(axis="y", color="0.92")
    counts.set_ylim(0, None)
    counts.legend(fontsize=8, frameon=False)
    return figure


def learning_curves(histories, names):
    """Accuracy and loss by epoch of both models: training light, validation strong, the epoch that is kept large."""
    figure = canvas.figure(10.5, 4.4)
    panels = figure.subplots(1, 2)
    for axes, (metric, title) in zip(panels, {"accuracy": "accuracy", "loss": "cross-entropy"}.items(), strict=True):
        for history, name, (colour, marker, line, fill) in zip(histories, names, canvas.STYLES.values(), strict=True):
            axes.plot(history["epoch"], history[metric], line, color=colour, alpha=0.45, label=f"{name}, training")
            style = {"color": colour, "marker": marker, "fillstyle": fill}
            label = f"{name}, validation"
            axes.plot(history["epoch"], history[f"val_{metric}"], line, **style, markersize=4, label=label)
            kept = tables.kept(history)
            axes.plot(kept["epoch"], kept[f"val_{metric}"], **style, markersize=10)
        axes.set_title(title, fontsize=11)
        axes.set(xlabel="epoch; the large marker is the one that is kept")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="0.9")
    panels[0].set_ylim(-0.02, 1.02)
    _legend(figure, panels[0])
    return figure


def randomization_chart(table, name, threshold):
    """How the maps' likeness to the trained network's falls as blocks are randomised.

    `table` is a cascade (method, step, image, correlation), steps in order; lines are means over the images. Above
    `threshold` at the last step a map is uninformative.
    """
    figure = canvas.figure(5.2, 4.2)
    axes = figure.subplots()
    means = table.groupby(["method", "step"], sort=False)["correlation"].mean().reset_index()
    for method, steps in means.groupby("method", sort=False):
        colour, marker = MAP_STYLES[METHODS.index(method) % len(MAP_STYLES)]
        style = {"color": colour, "marker": marker, "markersize": 5}
        axes.plot(steps["step"], steps["correlation"], label=titles.MAPS[method], **style)
    axes.axhspan(threshold, 1.05, xmin=0, xmax=1, color="0.93", zorder=0)
    axes.axhline(0, color="0.4", linewidth=0.8, linestyle="--")
    axes.set_ylim(min(-0.25, np.nanmin([0, *means["correlation"]]) - 0.05), 1.05)
    axes.set_title(f"{name}: uninformative if it ends in the grey", fontsize=10)
    axes.set(xlabel="randomised from the scores down to …", ylabel="rank correlation with the trained model's map")
    axes.tick_params(axis="x", rotation=30)
    _legend(figure, axes, ncols=3, fontsize=8)
    return figure


def external(table, names):
    """Each metric with its 95 % interval on the external images, and a stroke for the study's own test images.

    `table` is metrics/comparison/external.csv; `names` says what to call each role.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    figure = canvas.figure(8.5, 0.62 * len(metrics) + 1.6)
    axes = figure.subplots()
    for role, shift in zip(names, (-APART, APART), strict=True):
        colour, marker, _, fill = canvas.STYLES[role]
        lines = table[table["role"] == role].set_index("metric")
        places = [metrics.index(metric) + shift for metric in lines.index]
        axes.hlines(places, lines["low"], lines["high"], color=colour, linewidth=2)
        style = {"color": colour, "fillstyle": fill, "markersize": 8}
        axes.plot(lines["value"], places, marker, **style, label=f"{names[role]}, external")
        style = {"color": colour, "markersize": 11, "markeredgewidth": 2.2}
        axes.plot(lines["own_test"], places, "|", **style, label=f"{names[role]}, the study's own test images")
    style = {"color": "0.35", "fontsize": 8, "va": "center"}
    for metric in table[table["value"].isna()]["metric"].drop_duplicates():
        axes.text(0.01, metrics.index(metric), "no external image of this class", **style)
    axes.set_xlim(-0.02, max(1.02, 1.05 * table[["value", "high", "own_test"]].max().max()))
    axes.set_ylim(len(metrics) - 0.4, -0.6)
    axes.set_yticks(range(len(metrics)), [EXTERNAL.get(metric, metric) for metric in metrics])
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.set_xlabel("value; bars: 95 % interval over the external series")
    _legend(figure, axes)
    return figure


def _legend(figure, axes, ncols=2, fontsize=9):
    """The panel's lines explained below all panels."""
    given = axes.get_legend_handles_labels()
    figure.legend(*given, loc="outside lower center", ncols=ncols, fontsize=fontsize, frameon=False)
