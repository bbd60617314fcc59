"""The forest plot of a study: arms by rows, ways of splitting side by side, baselines as lines."""

from kidneyct.report import canvas

METRICS = {"accuracy": "test accuracy", "macro_f1": "macro F1"}
BASELINES = {  # name -> what to call it, line, colour
    "majority_class": ("majority class", ":", "0.35"),
    "nearest_thumbnail": ("nearest thumbnail", "--", "#009E73"),
    "linear_model": ("linear model on thumbnails", "-.", "#CC79A7"),
    "acquisition": ("acquisition", (0, (3, 1, 1, 1, 1, 1)), "#56B4E9"),
    "acquisition_size": ("acquisition with size", (0, (1, 3)), "#56B4E9"),
}


def forest(path, splits):
    """Accuracy and macro F1 of arms and controls with their 95 % intervals; `splits` is study.json's, by name."""
    rows = _rows(splits)
    figure = canvas.figure(4.2 * len(splits) + 2.2, 2 * (0.36 * len(rows) + 1.1) + 0.7)
    panels = figure.subplots(len(METRICS), len(splits), sharey=True, squeeze=False)
    for line, (metric, title) in zip(panels, METRICS.items(), strict=True):
        for axes, (name, split) in zip(line, splits.items(), strict=True):
            _baselines(axes, split, metric)
            for place, (kind, label) in enumerate(rows):
                if label in split[kind]:
                    _estimate(axes, place, split[kind][label], metric, kind)
            axes.set_xlim(-0.02, 1.06)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_yticks(range(len(rows)), [label for _, label in rows])
            axes.grid(axis="x", color="0.92")
            axes.set_axisbelow(True)
            axes.set_xlabel(title)
            if metric == "accuracy":
                seeds = f", {split['seeds']} seeds" if split["seeds"] > 1 else ""
                axes.set_title(f"{name}\n{split['images']:,} images of {split['series']} series{seeds}", fontsize=11)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(BASELINES), fontsize=9, frameon=False)
    canvas.save(figure, path)


def _rows(splits):
    """(kind, name) of each row: the arms, then the controls, in the order in which the splits have them."""
    return [
        (kind, name)
        for kind in ("arms", "controls")
        for name in dict.fromkeys(name for split in splits.values() for name in split[kind])
    ]


def _estimate(axes, place, found, metric, kind):
    colour, marker, _, fill = canvas.STYLES["candidate" if kind == "arms" else "control"]
    estimate = found[metric]
    if "low" in estimate:
        low, high = max(estimate["low"], 0), min(estimate["high"], 1)
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
    axes.plot(estimate["value"], place, marker, color=colour, fillstyle=fill, markersize=7)
    lost = ", ".join(f"{found[word]} of {found['runs']} {word}" for word in ("collapsed", "untrained") if found[word])
    axes.annotate(
        f"{estimate['value']:.3f}" + f" ({lost})" * bool(lost),
        (estimate["value"], place),
        (0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=7,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )


def _baselines(axes, split, metric):
    for name, (title, line, colour) in BASELINES.items():
        value = split["baselines"][name][metric]["value"]
        axes.axvline(value, linestyle=line, color=colour, linewidth=1.3, label=title)
