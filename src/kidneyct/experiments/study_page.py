"""A study's arms for people: the forest plot, and the page of one table and that picture."""

from pathlib import Path

from kidneyct.report import canvas, gallery, report

METRICS = {"accuracy": "test accuracy", "macro_f1": "macro F1"}
BASELINES = {  # name -> what to call it, line, colour
    "majority_class": ("majority class", ":", "0.35"),
    "nearest_thumbnail": ("nearest thumbnail", "--", "#009E73"),
    "linear_model": ("linear model on thumbnails", "-.", "#CC79A7"),
    "acquisition": ("acquisition", (0, (3, 1, 1, 1, 1, 1)), "#56B4E9"),
    "acquisition_size": ("acquisition with size", (0, (1, 3)), "#56B4E9"),
}


def page(study, parameters, forest):
    """The whole page as text; `study` is study.json, `parameters` params.yaml's, `forest` the PNG."""
    environment = report.environment(Path(__file__).parent, report.TEMPLATES, autoescape=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    wanted = study["study"]
    shown = {group: {name: report.flat(own) for name, own in wanted[group].items()} for group in ("arms", "splits")}
    return environment.get_template("study.html").render(
        study=wanted | shown | {"settings": report.flat(wanted["settings"])},
        splits=study["splits"],
        parameters=report.flat(parameters),
        chart=gallery.chart(forest),
    )


def forest(path, splits):
    """Accuracy and macro F1 of arms and controls with their 95 % intervals; `splits` is study.json's, by name.

    Arms, then controls, by rows, ways of splitting side by side, baselines as lines.
    """
    kinds = ("arms", "controls")
    rows = list(dict.fromkeys((kind, name) for kind in kinds for split in splits.values() for name in split[kind]))
    figure = canvas.figure(4.2 * len(splits) + 2.2, 2 * (0.36 * len(rows) + 1.1) + 0.7)
    panels = figure.subplots(len(METRICS), len(splits), sharey=True, squeeze=False)
    for line, (metric, title) in zip(panels, METRICS.items(), strict=True):
        for axes, (name, split) in zip(line, splits.items(), strict=True):
            for baseline, (label, dashes, colour) in BASELINES.items():
                value = split["baselines"][baseline][metric]["value"]
                axes.axvline(value, linestyle=dashes, color=colour, linewidth=1.3, label=label)
            for place, (kind, label) in enumerate(rows):
                if label in split[kind]:
                    _estimate(axes, place, split[kind][label], metric, kind)
            axes.set(xlim=(-0.02, 1.06), ylim=(len(rows) - 0.5, -0.5), xlabel=title)
            axes.set_yticks(range(len(rows)), [label for _, label in rows])
            axes.grid(axis="x", color="0.92")
            axes.set_axisbelow(True)
            if metric == "accuracy":
                seeds = f", {split['seeds']} seeds" if split["seeds"] > 1 else ""
                axes.set_title(f"{name}\n{split['images']:,} images of {split['series']} series{seeds}", fontsize=11)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(BASELINES), fontsize=9, frameon=False)
    canvas.save(figure, path)


def _estimate(axes, place, model, metric, kind):
    colour, marker, _, fill = canvas.STYLES["candidate" if kind == "arms" else "control"]
    estimate = model[metric]
    if "low" in estimate:
        low, high = max(estimate["low"], 0), min(estimate["high"], 1)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(estimate["value"], place, marker, color=colour, fillstyle=fill, markersize=7)
    lost = ", ".join(f"{model[word]} of {model['runs']} {word}" for word in ("collapsed", "untrained") if model[word])
    axes.annotate(
        f"{estimate['value']:.3f}" + f" ({lost})" * bool(lost),
        (estimate["value"], place),
        (0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )
