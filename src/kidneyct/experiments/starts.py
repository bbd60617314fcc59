"""The probes of a study put together: every start against random draws, thumbnails and the acquisition."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd

from kidneyct.experiments import intervals
from kidneyct.files.rounding import rounded
from kidneyct.probe import probe
from kidneyct.statistics import pooled

RANDOM = "random"  # the draws of the control
MARGIN = 0.05  # of equivalence, in AUROC
PRIMARY = "macro_auroc"
BASELINE_NAMES = {  # of index.BASELINES, as study.json has them
    "linear_model": "thumbnails",
    "acquisition": "acquisition",
    "acquisition_size": "acquisition, size",
    "nearest_thumbnail": "nearest thumbnail",
}
BASELINES = tuple(BASELINE_NAMES.values())
WHOLE = (probe.ALL, *BASELINES)
WITH_ACQUISITION = "with acquisition"  # a probe's log-probabilities beside the three numbers of `acquisition`
SECONDARY = (  # (one, other); "primary" stands for the primary start
    ("primary", "thumbnails"),
    ("primary", "acquisition"),
    ("primary", "imagenet, unit pixels"),
    (RANDOM, "thumbnails"),
    (RANDOM, "acquisition"),
    ("photographs", RANDOM),
    ("he", RANDOM),
)


def summarise(found, chosen, codes, series, classes):
    """What `study.json` says of probes.

    `found` is (model, part, share) -> (d, c, n, k): probabilities of n images by draw and cut, of a start d is 1.
    `chosen` has under the same keys (strength, edge) of each fit. `codes` and `series` (n,) are the images'. The first
    model that is neither random nor a baseline is the primary start.
    """
    keys = {key[0]: key for key in found if key[1] in WHOLE and key[2] == 1}
    tables = {
        key: np.stack([[probe.by_series(table, codes, series)[0] for table in cuts] for cuts in draws])
        for key, draws in found.items()
    }  # (d, c, g, k), the mean over each series' images
    actual = probe.by_series(np.eye(len(classes))[codes], codes, series)[1]
    whole = {model: tables[key] for model, key in keys.items()}
    starts = [model for model in whole if model != RANDOM and model not in BASELINES]
    shapes = [values.shape for key, values in found.items() if key not in keys.values()]  # by block and by share
    shares = sorted({share for *_, share in found})

    def curve(columns):
        """The primary measure of the primary start and of the random ones, by the columns that are there."""
        kinds = {model: {name: (model, *kind) for name, kind in columns.items()} for model in (starts[0], RANDOM)}
        return {
            model: {name: intervals.estimate(tables[key], actual)[PRIMARY] for name, key in of.items() if key in tables}
            for model, of in kinds.items()
        }

    def strengths(key):
        return sorted(Counter(strength for strength, _ in chosen[key]).items())

    return {
        "images": len(codes),
        "series": len(actual),
        "series_by_class": {label: int((actual == code).sum()) for code, label in enumerate(classes)},
        "cuts": next(iter(whole.values())).shape[1],
        "draws": len(whole[RANDOM]),
        "curves": {
            "draws": max((shape[0] for shape in shapes), default=0),
            "cuts": min((shape[1] for shape in shapes), default=0),
        },
        "models": {
            model: intervals.estimate(values, actual)
            | {"slices": _slices(found[keys[model]], codes, classes)}
            | {"strengths": {f"{strength:.2g}": fits for strength, fits in strengths(keys[model])}}
            | {"at_edge": sum(edge in ("lowest", "highest") for _, edge in chosen[keys[model]])}
            for model, values in whole.items()
        },
        "contrasts": _contrasts(whole, starts[0], actual),
        "blocks": curve({part: (part, 1.0) for part in probe.parts()}),
        "shares": curve({f"{share:g}": (probe.ALL, share) for share in shares}),
        "draw_values": intervals.measured(whole[RANDOM], actual)[0][PRIMARY].mean(axis=1).round(6).tolist(),
        "beyond_acquisition": {  # log-loss by it alone less that with a network: above 0, the network knows more
            model: intervals.estimate(whole["acquisition"][:, : both.shape[1]], actual, both)["log_loss"]
            for model in (*starts, RANDOM)
            if (both := tables.get((model, WITH_ACQUISITION, 1.0))) is not None
        },
    }


def _contrasts(whole, primary, actual):
    """ "one less other" -> estimates, the primary contrast first; p of the secondary ones is corrected (Holm)."""
    pairs = [(primary, RANDOM), *((primary if one == "primary" else one, other) for one, other in SECONDARY)]
    result = {
        f"{one} less {other}": intervals.estimate(whole[one], actual, whole[other])
        for one, other in pairs
        if one in whole and other in whole
    }
    first, *secondary = result
    for names in ([first], secondary):
        for name, gap in pooled.family({name: result[name][PRIMARY] for name in names}).items():
            result[name][PRIMARY] = gap
    return result


def _slices(values, codes, classes):
    """Measures of slices, means over draws and cuts, and the standard deviation over cuts of their accuracy."""
    alone = np.arange(len(codes))
    found = [[probe.evaluate(table, codes, alone, classes) for table in cuts] for cuts in values]
    flat = list(itertools.chain(*found))
    names = ("log_loss", "accuracy", "balanced_accuracy", "macro_f1")
    result = {name: np.mean([measures[name] for measures in flat]) for name in names}
    result["recall"] = {name: np.mean([measures["recall"][name] for measures in flat]) for name in flat[0]["recall"]}
    by_cut = np.mean([[measures["accuracy"] for measures in cuts] for cuts in found], axis=0)
    return rounded(result | ({"sd_over_cuts": by_cut.std(ddof=1)} if len(by_cut) > 1 else {}))


def heat(found, codes, series, names, classes):
    """A line a series, by class and difficulty: its class, images, and each model's mean probability of its class."""
    columns = {}
    for (model, part, share), values in found.items():
        if share == 1 and part in WHOLE:
            of_series, actual = probe.by_series(values.mean(axis=(0, 1)), codes, series)
            columns[model] = of_series[np.arange(len(actual)), actual]
    images = pd.Series(names).groupby(series)
    table = pd.DataFrame({"first_image": images.first().to_numpy(), "class": np.array(classes)[actual]})
    table = table.assign(images=images.size().to_numpy(), **columns)
    primary = next(model for model in columns if model != RANDOM and model not in BASELINES)
    return table.sort_values(["class", primary], kind="stable").reset_index(drop=True)


def sentences(result, names=None):
    """What the plan says of each contrast, in its order; `names` are what to call models, if not as the study does."""
    told = []
    for pair, values in result["contrasts"].items():
        one, other = ((names or {}).get(model, model) for model in pair.split(" less "))
        gap = values[PRIMARY]
        points, low, high = (f"{100 * gap[key]:+.1f}" for key in ("value", "low", "high"))
        ends = f"{points} ({low} to {high}) points of macro AUROC"
        if gap["low"] > 0 or gap["high"] < 0:
            shown = "" if gap.get("p_holm", 0) < 0.05 else f"; not shown once corrected, p {gap['p_holm']:.3f}"
            told.append(f"{one} is {'better' if gap['low'] > 0 else 'worse'} than {other}: {ends}{shown}")
        elif max(-gap["low"], gap["high"]) <= MARGIN:
            told.append(f"{one} and {other} are equivalent within {100 * MARGIN:.0f} points: {ends}")
        else:
            told.append(f"{one} and {other}: not settled by these series: {ends}")
    return told
