"""Run a whole comparison of starts, and put it into one table and one picture.

A file names arms (what the candidate starts from, and how it is trained), ways of splitting with folds, and seeds; or
probes: tuned linear models on what each start knows, over many cuts into folds and draws of random weights. Each run is
one of DVC's experiments and is run once: interrupt it when you like, and the same command goes on where it stopped.
Written are metrics/NAME.json, NAME being the file's, and charts and tables in plots/. Several runs at once are tasks on
Ray, on this machine or on the cluster that RAY_ADDRESS names.
"""

import contextlib
import json
import sys
from pathlib import Path

from kidneyct.commands import whole
from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.errors import InputError


def add_arguments(parser):
    parser.add_argument("file", nargs="?", default="study.yaml", metavar="FILE", help="the study (study.yaml)")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--plan", action="store_true", help="list the runs and which are done")
    either.add_argument("--collect", action="store_true", help="only put together what is there")
    jobs = "how many runs at once, on Ray (1, without)"
    parser.add_argument("--jobs", type=whole(1, 1000), default=1, metavar="N", help=jobs)


def run(options):
    from kidneyct.experiments import engine, study
    from kidneyct.pipeline import params

    wanted = study.read(options.file)
    runs, done, name = study.plan(wanted), engine.finished(), Path(options.file).stem
    missing = [run for run in runs if run.name not in done]
    if options.plan:
        for planned in runs:
            print(f"{'done' if planned.name in done else 'to do':5}  {planned.name}")
        print(f"{len(runs)} runs, {len(missing)} of them to do")
        return 0
    failed = 0 if options.collect or not missing else _execute(runs, missing, options.jobs)
    values, revisions = params.validate().model_dump(), engine.finished()
    result = {"study": study.without_folders(wanted.model_dump())}
    if wanted.probes:
        result["probes"] = _probes(wanted, runs, revisions, name, values, compute=not options.collect)
    if wanted.arms:
        result["splits"] = _splits(runs, revisions, name, values["data"]["classes"])
    if not any(result.get(part) for part in ("probes", "splits")):
        raise InputError("study: no arm has all its folds yet, and no start is probed; nothing to put together")
    with atomic_write(f"metrics/{name}.json") as partial:
        partial.write_text(json.dumps(result, indent=2) + "\n")
    print(f"metrics/{name}.json")
    if failed:
        print(f"error: {failed} of {len(runs)} runs failed, as told above", file=sys.stderr)
    return 1 if failed else 0


def _execute(runs, missing, jobs):
    """Run what is missing; returns how many failed.

    The first failure ends it, as it would befall all; one after others have gone well is told, and the rest go on.
    """
    from kidneyct.experiments import engine
    from kidneyct.pipeline import progress

    well, failed, done = False, 0, [run for run in runs if run not in missing]
    bar = progress.bar(what="study", unit="run", total=len(runs), done=len(done))
    with bar, contextlib.closing(engine.execute(missing, done, min(jobs, len(missing)))) as events:
        for run, error in events:
            if error is None:
                print(f"now {run.name}", flush=True)
                continue
            bar.update()
            if error and not well:
                raise InputError(f"{run.name}: {error}")
            well = True
            if error:
                failed += 1
                print(f"error: {run.name}: {error}", file=sys.stderr, flush=True)
    return failed


def _probes(wanted, runs, revisions, name, values, compute):
    """What of the starts is finished, put together; None where not all of one cut is. `compute` what is not yet."""
    from kidneyct.experiments import charts, probes, starts, study
    from kidneyct.files import tables
    from kidneyct.probe import probe

    finished = [run for run in runs if run.split == study.PROBES and run.name in revisions]
    if not finished:
        return None
    classes = values["data"]["classes"]
    shared = probes.images(revisions[finished[0].name], classes)
    models = probes.features(finished, revisions, shared)
    slices = study.changed(values, wanted.settings | wanted.probes.settings)["probe"]["slices"]
    how = models, shared, wanted.probes.folds, slices, wanted.probes.by
    kept = probes.places(probes.tasks(models, wanted.probes.cuts), *how)
    if compute:
        probes.compute(kept, *how)
    found, chosen = probes.gathered(kept)
    if not {(name, probe.ALL, 1.0) for name in (next(iter(wanted.probes.starts)), starts.RANDOM)} <= found.keys():
        return None
    result = starts.summarise(found, chosen, shared.codes, shared.series, classes)
    table = starts.heat(found, shared.codes, shared.series, shared.names, classes)
    tables.write(table, f"plots/{name}-series.csv", "%.4f")
    charts.draw(f"plots/{name}-probes.png", result)
    charts.heat(f"plots/{name}-series.png", table)
    print("\n".join(starts.sentences(result)))
    print(f"\nplots/{name}-probes.png  plots/{name}-series.png  plots/{name}-series.csv")
    return result


def _splits(runs, revisions, name, classes):
    """Pool the trainings that are finished, by way of splitting."""
    from kidneyct.experiments import arms, charts, study
    from kidneyct.files import tables

    outcomes, missing = study.pooled([run for run in runs if run.split != study.PROBES], revisions)
    if not outcomes:
        return {}
    splits = {split: arms.summarise(of_split, classes) for split, of_split in outcomes.items()}
    missing += [f"{arm}, {split}" for split, told in splits.items() for arm in told["incomplete"]]
    table = arms.table(splits)
    tables.write(table, f"plots/{name}.csv")
    charts.forest(f"plots/{name}.png", splits)
    columns = ["model", "value", "low", "high", "gap", "gap_low", "gap_high", "p_holm"]
    shown = table[table["metric"].isin(["macro_auroc", "accuracy"])]
    for (split, metric), rows in shown.groupby(["split", "metric"], sort=False):
        print(f"\n{split}: {metric}, its 95 % interval over series, and what it is above or below the control's")
        print(rows[columns].to_string(index=False, na_rep="", float_format="%.4f"))
    if missing:
        print(f"\nNot all folds and seeds are there yet: {'; '.join(missing)}.")
    print(f"\nplots/{name}.csv  plots/{name}.png")
    return splits
