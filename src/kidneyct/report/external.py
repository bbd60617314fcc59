"""The external test set in a picture: both models there and on the study's own test images."""

from matplotlib.figure import Figure

from kidneyct.report import canvas

TITLES = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "expected_calibration_error": "calibration error (0 is best)",
    "brier_score": "Brier score (0 to 2, 0 is best)",
}
APART = 0.17  # of a line's height, between the two models


def chart(path, table, names):
    """Each metric with its 95 % interval on the external images, and a stroke for the study's own test images.

    `table` is metrics/comparison/external.csv; `names` says what to call each role. Without an external test set the
    picture says so.
    """
    if not len(table):
        return _none(path)
    metrics = list(dict.fromkeys(table["metric"]))
    figure = Figure(figsize=(8.5, 0.62 * len(metrics) + 1.6), facecolor="white", layout="constrained")
    axes = figure.subplots()
    for role, shift in zip(names, (-APART, APART), strict=True):
        colour, marker, _, fill = canvas.STYLES[role]
        lines = table[table["role"] == role].set_index("metric")
        places = [metrics.index(metric) + shift for metric in lines.index]
        axes.hlines(places, lines["low"], lines["high"], color=colour, linewidth=2)
        axes.plot(
            lines["value"], places, marker, color=colour, fillstyle=fill, markersize=8, label=f"{names[role]}, external"
        )
        style = {"color": colour, "markersize": 11, "markeredgewidth": 2.2}
        axes.plot(lines["own_test"], places, "|", **style, label=f"{names[role]}, the study's own test images")
    undefined = table[table["value"].isna()]["metric"].drop_duplicates()
    for metric in undefined:
        style = {"color": "0.35", "fontsize": 8, "va": "center"}
        axes.text(0.01, metrics.index(metric), "no external image of this class", **style)
    axes.set_xlim(-0.02, max(1.02, 1.05 * table[["value", "high", "own_test"]].max().max()))
    axes.set_ylim(len(metrics) - 0.4, -0.6)
    axes.set_yticks(range(len(metrics)), [TITLES.get(metric, metric) for metric in metrics])
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    axes.set_xlabel("value; bars: 95 % interval over the external series")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    canvas.save(figure, path)


def _none(path):
    figure = Figure(figsize=(6, 1.6), facecolor="white")
    figure.suptitle("External test", fontsize=12)
    figure.text(0.5, 0.4, "no external test set (data.external: none)", ha="center")
    canvas.save(figure, path)
