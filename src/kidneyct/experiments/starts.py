"""The probes of a study put together: every start against random draws, thumbnails and the acquisition."""

import numpy as np
import pandas as pd

from kidneyct.experiments import probing
from kidneyct.files.rounding import rounded
from kidneyct.probe import probe

RANDOM = "random"  # the draws of the control
MARGIN = 0.05  # of equivalence, in AUROC
PRIMARY = "macro_auroc"
WHOLE = (probe.ALL, "thumbnails", "acquisition", "acquisition, size", "nearest thumbnail")
BASELINES = WHOLE[1:]
BEYOND = "with acquisition"  # a probe's log-probabilities beside the three numbers of `acquisition`
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
    tables = {key: _by_series(values, codes, series) for key, values in found.items()}
    actual = probe.by_series(np.eye(len(classes))[codes], codes, series)[1]
    whole = {model: tables[key] for model, key in keys.items()}
    starts = [model for model in whole if model != RANDOM and model not in BASELINES]
    curves = [values.shape for key, values in found.items() if key not in keys.values()]  # by block and by share

    def estimates(model, against=None):
        return probing.estimate(model, actual, against)

    return {
        "images": len(codes),
        "series": len(actual),
        "series_by_class": {label: int((actual == code).sum()) for code, label in enumerate(classes)},
        "cuts": next(iter(whole.values())).shape[1],
        "draws": len(whole[RANDOM]),
        "curves": {
            "draws": max((shape[0] for shape in curves), default=0),
            "cuts": min((shape[1] for shape in curves), default=0),
        },
        "models": {
            model: estimates(values)
            | {"slices": _slices(found[keys[model]], codes, classes)}
            | _penalties(chosen[keys[model]])
            for model, values in whole.items()
        },
        "contrasts": _contrasts(whole, starts, estimates),
        "blocks": {
            model: {
                part: estimates(tables[model, part, 1.0])[PRIMARY]
                for part in probe.parts()
                if (model, part, 1.0) in tables
            }
            for model in (starts[0], RANDOM)
        },
        "shares": {
            model: {
                f"{share:g}": estimates(tables[model, probe.ALL, share])[PRIMARY]
                for share in sorted({share for name, part, share in tables if name == model and part == probe.ALL})
            }
            for model in (starts[0], RANDOM)
        },
        "draw_values": probing.measured(whole[RANDOM], actual)[0][PRIMARY].mean(axis=1).round(6).tolist(),
        "beyond_acquisition": {  # log-loss by it alone less that with a network: above 0, the network knows more
            model: estimates(whole["acquisition"][:, : both.shape[1]], both)["log_loss"]
            for model in (*starts, RANDOM)
            if (both := tables.get((model, BEYOND, 1.0))) is not None
        },
    }


def _by_series(values, codes, series):
    """(d, c, n, k) by image to (d, c, g, k), the mean over each series' images."""
    return np.stack([[probe.by_series(table, codes, series)[0] for table in cuts] for cuts in values])


def _contrasts(whole, starts, estimates):
    """ "one less other" -> estimates, the primary contrast first; p of the secondary ones is corrected (Holm)."""
    pairs = [(starts[0], RANDOM)] + [
        (one, other)
        for one, other in ((starts[0] if one == "primary" else one, other) for one, other in SECONDARY)
        if one in whole and other in whole
    ]
    result = {f"{one} less {other}": estimates(whole[one], whole[other]) for one, other in pairs}
    primary, *secondary = result
    for names in ([primary], secondary):
        for name, gap in probing.family({name: result[name][PRIMARY] for name in names}, MARGIN).items():
            result[name][PRIMARY] = gap
    return result


def _slices(values, codes, classes):
    """Measures of slices, means over draws and cuts, and the standard deviation over cuts of their accuracy."""
    each = [[probe.evaluate(table, codes, np.arange(len(codes)), classes) for table in cuts] for cuts in values]
    flat = [one for cuts in each for one in cuts]
    names = ("log_loss", "accuracy", "balanced_accuracy", "macro_f1")
    result = {name: np.mean([one[name] for one in flat]) for name in names}
    recall = {label: np.mean([one["recall"][label] for one in flat]) for label in classes}
    spread = np.mean([[one["accuracy"] for one in cuts] for cuts in each], axis=0)
    return rounded(result | {"recall": recall} | ({"sd_over_cuts": spread.std(ddof=1)} if len(spread) > 1 else {}))


def _penalties(fits):
    """How often each strength was chosen, and how often at an edge of those tried."""
    strengths = sorted({strength for strength, _ in fits})
    return {
        "strengths": {f"{strength:.2g}": sum(own == strength for own, _ in fits) for strength in strengths},
        "at_edge": sum(edge in ("lowest", "highest") for _, edge in fits),
    }


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


def sentences(result):
    """What the plan says of each contrast, in its order."""
    told = []
    for pair, values in result["contrasts"].items():
        gap = values[PRIMARY]
        one, other = pair.split(" less ")
        ends = f"{_points(gap)} points of macro AUROC"
        if gap["low"] > 0 or gap["high"] < 0:
            shown = "" if gap.get("p_holm", 0) < 0.05 else f"; not shown once corrected, p {gap['p_holm']:.3f}"
            told.append(f"{one} is {'better' if gap['low'] > 0 else 'worse'} than {other}: {ends}{shown}")
        elif max(-gap["low"], gap["high"]) <= MARGIN:
            told.append(f"{one} and {other} are equivalent within {100 * MARGIN:.0f} points: {ends}")
        else:
            told.append(f"{one} and {other}: not settled by these series: {ends}")
    return told


def _points(gap):
    return f"{100 * gap['value']:+.1f} ({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f})"
