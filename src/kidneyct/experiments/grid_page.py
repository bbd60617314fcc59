"""The chart of a grid of runs."""

from kidneyct.report import canvas, titles

METRICS = {"accuracy": "test accuracy", "macro_f1": "macro F1"}


def sweep(path, table, summary, parameter, names, logarithmic=False):
    """Test accuracy and macro F1 of both roles over one parameter: each run, mean and standard deviation.

    `table` has a row for each run and role, `summary` one for each value and role (see `grid.points` and
    `grid.summarise`); rows of the value "all" draw one mean over the whole width. `names` says what to call each role.
    """
    values = list(dict.fromkeys(table["value"]))
    spaced = len(values) > 1 and not any(isinstance(value, str) for value in values)
    places = {value: value if spaced else number for number, value in enumerate(values)}
    figure = canvas.figure(10.5, 4.9)
    panels = figure.subplots(1, 2)
    for axes, (metric, title) in zip(panels, METRICS.items(), strict=True):
        for (role, (colour, marker, line, fill)), aside in zip(canvas.STYLES.items(), (-0.08, 0.08), strict=True):
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
        handles.append(canvas.matplotlib.lines.Line2D([], [], color="black", marker="x", linestyle="", markersize=9))
        labels.append(titles.COLLAPSED)
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.suptitle("Each run, and mean ± standard deviation", fontsize=12)
    canvas.save(figure, path)


def _counted(name, summary, role):
    rows = summary[summary["role"] == role]
    single = rows[rows["value"] != "all"]["runs"]
    each = f"{single.min()}" if single.min() == single.max() else f"{single.min()} to {single.max()}"
    return f"{name}: n = {single.sum()} runs, {each} a value"


def _short(value):
    text = f"{value:g}" if not isinstance(value, str) else value
    return text if len(text) <= 24 else f"…{text[-23:]}"
