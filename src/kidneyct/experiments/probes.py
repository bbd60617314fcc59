"""The probes of a study: each start's features, by every cut of the series into folds, kept as they are finished."""

import inspect
import itertools
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from dvc.api import DVCFileSystem

from kidneyct.experiments import study
from kidneyct.experiments.starts import BASELINE_NAMES, BASELINES, RANDOM, WITH_ACQUISITION
from kidneyct.files import index
from kidneyct.files.atomic import atomic_write
from kidneyct.leakage import baselines
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError, corrupt
from kidneyct.pipeline.params import CHANNELS
from kidneyct.probe import balance, logistic, probe
from kidneyct.series import inference, split

HOME = Path(".study/probes")
CURVE = 3  # cuts, and draws, behind the curves of the primary start and of random weights
SHARES = (0.1, 0.25, 0.5)  # of the training series


class Images(NamedTuple):
    """What all starts of a study have in common, a row for each image."""

    names: np.ndarray  # (n,)
    codes: np.ndarray  # (n,) int
    series: np.ndarray  # (n,) int
    thumbnails: np.ndarray  # (n, 25, 25)
    sizes: np.ndarray  # (n, 2) width and height


class Task(NamedTuple):
    """One computation: a model's probabilities for every image, each from folds that have not seen its series."""

    model: str  # a start, "random 0", …, or a baseline
    part: str  # of `probe.parts`, or of BASELINES
    cut: int
    share: float = 1.0


def images(revision, classes):
    """The `Images` of a finished run."""
    files = DVCFileSystem(".", rev=revision)
    table = study.table(files, "data/images/index.csv")
    return Images(
        table["image"].to_numpy(str),
        index.codes(table["label"], classes),
        numbered(study.table(files, "data/series.csv")["series"].to_numpy(), table["image"]),
        _array(files, "data/images/thumbnails.npy"),
        table[["width", "height"]].to_numpy(),
    )


def numbered(series, images):
    """Series (n,) counted from 0 in the natural order of their images' names.

    So a seed cuts them alike whichever of their images there are, and as benchmark/cuts.py does.
    """
    order = inference.order(list(images))
    _, first = np.unique(series[order], return_index=True)
    return first.argsort().argsort()[np.unique(series, return_inverse=True)[1]]


def _array(files, path):
    with files.open(path, "rb") as file:
        return np.load(file)


def features(runs, revisions, shared):
    """Model -> features (n, d) of every start that is finished, draws as "random 0", …, and of the baselines."""
    seen = baselines.features(shared.thumbnails, *shared.sizes.T) | {"nearest_thumbnail": shared.thumbnails}
    found = {BASELINE_NAMES[name]: values for name, values in seen.items()}
    for run in runs:
        name = f"{RANDOM} {run.seed}" if run.arm == RANDOM else run.arm
        path = f"data/features/{run.targets[-1].partition('@')[2]}/pooled.npy"
        found[name] = _array(DVCFileSystem(".", rev=revisions[run.name]), path)
        expected = len(shared.codes), sum(CHANNELS)
        if found[name].shape != expected:
            raise corrupt(path, f"an array of {expected}, a line for each image", found[name].shape)
    return found


def tasks(models, cuts):
    """What is to compute for these models, complete comparisons first: every model by one cut, then by the next."""
    draws = [name for name in models if name.startswith(f"{RANDOM} ")]
    starts = [name for name in models if name not in BASELINES and name not in draws]
    whole = [
        Task(name, name if name in BASELINES else probe.ALL, cut)
        for cut in range(cuts)
        for name in (*BASELINES, *starts, *draws)
    ]
    curved = [*starts[:1], *draws[:CURVE]]
    few = range(min(CURVE, cuts))
    blocks = [Task(name, part, cut) for cut in few for part in probe.parts() if part != probe.ALL for name in curved]
    shares = [Task(name, probe.ALL, cut, share) for cut in few for share in SHARES for name in curved]
    beyond = [Task(name, WITH_ACQUISITION, cut) for cut in few for name in curved]
    return whole + blocks + shares + beyond


def places(wanted, models, shared, folds, slices, by="series"):
    """Where each task's result is kept, task -> path, under a name that tells what it is made of.

    InputError where a class has fewer series than there are folds.
    """
    dealt = logistic.dealt(shared.codes, index.units(shared.series, by), folds, 0)
    most = 1 if dealt is None else dealt.max() + 1
    if most < folds:
        raise InputError(f"probes.folds: expected at most {most}, what there is of the rarest class, found {folds}")
    code = [Path(module.__file__).read_bytes() for module in (logistic, balance, probe)]
    code += map(inspect.getsource, (out_of_fold, share_of, index.class_counts))
    common = shared.codes, shared.series, code, folds, slices, by
    made_of, hashes = joblib.hash(common), {name: joblib.hash(values) for name, values in models.items()}
    return {task: HOME / f"{joblib.hash((made_of, hashes[task.model], *task[1:]))}.npz" for task in wanted}


def compute(kept, models, shared, folds, slices, by="series"):
    """Compute what of `places` is not there yet, in its order and on all processors, each result kept at once."""
    HOME.mkdir(parents=True, exist_ok=True)
    missing = {task: path for task, path in kept.items() if not path.exists()}
    how = shared, folds, slices, by
    jobs = (joblib.delayed(_made)(path, task, models[task.model], *how) for task, path in missing.items())
    done = joblib.Parallel(joblib.cpu_count(), return_as="generator", batch_size=1)(jobs)
    for _ in progress.bar(zip(missing, done, strict=True), what="probes", unit="fit", total=len(missing)):
        pass


def gathered(kept):
    """What is there: (model, part, share) -> probabilities (d, c, n, k), by draw and cut, and the strengths chosen.

    Of each kind of task so many cuts as every model of it has; the draws of the control are one model, RANDOM.
    """

    def kind(task):
        return probe.ALL if task.part in BASELINES else task.part, task.share

    lacking, groups = {}, {}
    for task, path in kept.items():
        if not path.exists():
            lacking[kind(task)] = min(task.cut, lacking.get(kind(task), task.cut))
    for task, path in kept.items():
        if task.cut < lacking.get(kind(task), np.inf):
            name = RANDOM if task.model.startswith(f"{RANDOM} ") else task.model
            with np.load(path) as arrays:
                draws = groups.setdefault((name, task.part, task.share), {})
                draws.setdefault(task.model, []).append(dict(arrays))
    found, chosen = {}, {}
    for key, draws in groups.items():
        found[key] = np.stack([[arrays["probabilities"] for arrays in cuts] for cuts in draws.values()])
        every = list(itertools.chain(*draws.values()))
        chosen[key] = [
            pair for made in every for pair in zip(made["strengths"].tolist(), made["edges"].tolist(), strict=True)
        ]
    return found, chosen


def _made(path, task, values, shared, folds, slices, by):
    fold = cut(shared, folds, task.cut, by)
    arrays = out_of_fold(task, values, shared, fold, slices, index.units(shared.series, by))
    with atomic_write(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def cut(shared, folds, seed, by):
    """The fold of each image (n,): series or images dealt at random, or, by block, runs of neighbouring series."""
    if by != "block":
        return logistic.dealt(shared.codes, index.units(shared.series, by), folds, seed)
    of_image = shared.codes, shared.series, shared.names, [1 / folds] * folds
    return np.argmax([split.by_block(*of_image, number, 0.0, seed) == "test" for number in range(folds)], axis=0)


def out_of_fold(task, values, shared, fold, slices, units):
    """`probabilities` (n, k) float32, each image's from a model that has not seen its fold, and what was chosen.

    `fold` (n,) is each image's, `units` (n,) what inner folds hold whole. The nearest thumbnail's probabilities are 0
    and 1.
    """
    classes = int(shared.codes.max()) + 1
    result = np.zeros((len(fold), classes), "float32")
    strengths, edges = [], []
    for number in range(fold.max() + 1):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if task.part == BASELINE_NAMES["nearest_thumbnail"]:
            position, _ = inference.nearest(values[test], values[train])
            result[test, shared.codes[train][position]] = 1
            continue
        train = train[share_of(shared.codes[train], shared.series[train], task.share, task.cut)]
        own = np.asarray(values[:, probe.parts().get(task.part, slice(None))])
        given = shared.codes[train], shared.series[train], units[train]
        model = logistic.tuned(own[train], *given, classes, slices, seed=task.cut)
        result[test] = logistic.probabilities(model, own[test])
        if task.part == WITH_ACQUISITION:
            inner = logistic.held_out(own[train], *given, classes, model.strength, slices, seed=task.cut)
            both = np.zeros((len(fold), classes + 3))
            both[:, classes:] = baselines.acquisition(shared.thumbnails)
            for rows, seen in ((train, inner), (test, result[test])):
                both[rows, :classes] = np.log(np.maximum(seen, 1e-6))
            model = logistic.tuned(both[train], *given, classes, slices, seed=task.cut)
            result[test] = logistic.probabilities(model, both[test])
        strengths.append(model.strength)
        edges.append(model.edge)
    return {"probabilities": result, "strengths": np.array(strengths), "edges": np.array(edges, str)}


def share_of(codes, series, share, seed):
    """Which rows (n,) bool are of a share of each class's series, two at least; a larger share holds a smaller one."""
    members, counts = index.class_counts(series, codes)
    of_series, chosen = counts.argmax(axis=1), np.zeros(len(counts), bool)
    order = np.random.default_rng(seed).permutation(len(counts))
    for code in np.unique(of_series):
        own = order[of_series[order] == code]
        chosen[own[: max(2, round(share * len(own)))]] = True
    return chosen[members]
