"""`kidneyct grid`: DVC's finished experiments side by side, or as a table and a chart over one parameter."""

import textwrap
from pathlib import Path

from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline import roles, yaml12
from kidneyct.pipeline.errors import InputError

LOGARITHMIC = ("train.fraction", "train.learning_rate")
WIDTH = 120  # columns of a terminal that the overview fits into
LONGEST = 18  # letters of a run's name, or of a parameter's value, in the overview
HEADINGS = (
    ("", "run"),
    ("accuracy", "candidate"),
    ("accuracy", "control"),
    ("", "gap"),
    ("its 95 %", "interval"),
    ("near-", "duplicates"),
    ("nearest", "thumbnail"),
    ("parameters", "that differ"),
)
LEGEND = """\
near-duplicates: share of the test images with one in training; nearest thumbnail: accuracy of copying its class"""

HELP = "compare finished runs: all side by side, or over one parameter"
DESCRIPTION = """\
Compare the runs that DVC knows on the current commit: the workspace, the commit and its finished experiments.
Without PARAMETER, all of them in one table. With PARAMETER, test accuracy and macro F1 over its values, averaged over
seeds, as a table in plots/grid-PARAMETER.csv and a chart in plots/grid-PARAMETER.png."""
EXAMPLES = """\
examples:
  kidneyct grid
                    accuracy  accuracy                     its 95 %       near-    nearest  parameters
      run          candidate   control      gap            interval  duplicates  thumbnail  that differ
      workspace       0.4680    0.4680  +0.0000  +0.0000 to +0.0000      0.0000     0.4310  split.by=series
      main            0.8900    0.9070  -0.0170  -0.0600 to +0.0000      1.0000     1.0000  split.by=image
      series          0.4680    0.4680  +0.0000  +0.0000 to +0.0000      0.0000     0.4310  split.by=series

  kidneyct grid train.fraction --where weights=imagenet
      a row for each train.fraction and role among the runs from ImageNet's weights: mean, standard deviation, least
      and greatest accuracy and macro F1 over the seeds, and how many runs collapsed, that is, predict one class for
      every image

  kidneyct grid split.fold --where split.folds=5 --replicate split.fold
      one row for all folds too

Runs over a parameter must differ in nothing else but seed and what --replicate names; where they do, the error says
in what, and --where chooses."""


def add_arguments(parser):
    parser.add_argument(
        "parameter", nargs="*", metavar="PARAMETER", help="such as seed, train.fraction, model.frozen_blocks, weights"
    )
    parser.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help="only runs with this value")
    parser.add_argument(
        "--replicate", action="append", default=[], metavar="NAME", help="average over this parameter beside seed"
    )


def run(options):
    from kidneyct.experiments import experiments, grid

    where = dict(map(_where, options.where))
    if options.replicate and not options.parameter:
        raise InputError("--replicate: expected a PARAMETER beside it, found none; name what to compare over")
    finished, left_out = experiments.runs(*experiments.collect())
    remark = f"Left out: {', '.join(left_out)}." if left_out else "None was left out."
    chosen = grid.choose(finished, where) if finished else []
    if not chosen:
        raise InputError(
            f"grid: expected finished runs{' with these --where values' if where else ''}, found none of "
            f"{len(finished)}. {remark} Start some with dvc exp run, look at them with dvc exp show"
        )
    if not options.parameter:
        side_by_side(chosen)
        print(f"Runs: {len(chosen)}, of {len(finished)} finished.", remark, *_versions(chosen), sep="\n")
    for parameter in options.parameter:
        repeats = grid.distinct(chosen)
        target = over_parameter(repeats, parameter, ("seed", *options.replicate))
        print(f"Runs of different parameters: {len(repeats)}, of {len(finished)} finished.")
        print(remark, *_versions(repeats), f"{target}.csv  {target}.png", sep="\n")
    return 0


def _where(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--where {text}: expected name=value, as --where weights=none")
    try:
        return name, yaml12.load(value)
    except yaml12.Error:
        return name, value


def _versions(runs):
    """A line that names the files of code in which runs differ, or none."""
    changed = sorted({path for run in runs for path in run.code if run.code[path] != runs[0].code.get(path)})
    return [f"Note: the runs were made with different versions of {', '.join(changed)}."] if changed else []


def side_by_side(runs):
    """Print a line for each run, at most WIDTH columns; the parameters that differ take what is left, wrapped."""
    from kidneyct.experiments import grid

    differing = grid.differing(runs)
    lines = [list(heading) for heading in zip(*HEADINGS, strict=True)]
    for run, row in zip(runs, grid.overview(runs).itertuples(), strict=True):
        interval = "" if row.low != row.low else f"{row.low:+.4f} to {row.high:+.4f}"  # NaN where there is none
        numbers = [f"{value:.4f}" for value in (row.candidate, row.control)]
        numbers += [f"{row.gap:+.4f}", interval, f"{row.near_duplicates:.4f}", f"{row.nearest_thumbnail:.4f}"]
        parameters = " ".join(f"{name}={_short(run.parameters[name])}" for name in differing if name in run.parameters)
        lines.append([_short(row.run), *numbers, parameters])
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS) - 1)]
    indent = sum(widths) + 2 * len(widths)
    for name, *numbers, parameters in lines:
        cells = [f"{name:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(numbers, widths[1:], strict=True))]
        wrapped = textwrap.wrap(parameters, WIDTH - indent, break_on_hyphens=False) or [""]
        print("  ".join([*cells, wrapped[0]]).rstrip())
        for rest in wrapped[1:]:
            print(" " * indent + rest)
    print(LEGEND)


def _short(value):
    """A value or a name as text, a long one by its end."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"


def over_parameter(runs, parameter, replicates):
    """Print the table over a parameter, and write it and its chart; returns their path without the suffix."""
    from kidneyct.experiments import grid
    from kidneyct.experiments import grid_page as chart
    from kidneyct.report import titles as page_titles

    grid.check_comparable(runs, parameter, replicates)
    table = grid.points(runs, parameter)
    summary = grid.summarise(table, over_all=parameter in replicates)
    target = Path("plots") / f"grid-{parameter.replace('.', '-')}"
    named = summary.rename(columns={"value": parameter})
    named[parameter] = [f"{value:g}" if grid.is_number(value) else value for value in summary["value"]]
    with atomic_write(target.with_suffix(".csv")) as partial:
        named.to_csv(partial, index=False, float_format="%.6f", lineterminator="\n")
    starts = {run.parameters.get("weights") for run in runs}
    titles = page_titles.models(starts.pop()) if len(starts) == 1 else dict(zip(roles.ROLES, roles.ROLES, strict=True))
    chart.sweep(target.with_suffix(".png"), table, summary, parameter, titles, parameter in LOGARITHMIC)
    print(named.to_string(index=False, float_format="%.4f", na_rep=""))
    return target
