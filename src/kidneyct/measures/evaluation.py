"""A network's maps, measured: faithfulness, dependence on what was learned, focus, localisation."""

import functools
import itertools

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from kidneyct.backbone import forward, interpolation
from kidneyct.files import rounding
from kidneyct.maps import methods
from kidneyct.measures import faithfulness, focus, randomization
from kidneyct.pipeline import progress

BATCH_SIZE = 8
RANDOMIZED_IMAGES = 4  # of those measured, evenly spaced
RANDOMIZED_SAMPLES, RANDOMIZED_STEPS = 2, 3  # of SmoothGrad and integrated gradients there: each step maps again
DIGITS = 4
BETTER = {"insertion": 1, "deletion": -1, "road": 1, "energy": 1}  # the good direction of a measure
SETTINGS = {  # how finely all this is measured, for whoever reads the results
    "curve_points": len(faithfulness.SHARES) + 2,
    "road_shares": len(faithfulness.ROAD_SHARES),
    "smoothgrad_samples": methods.SAMPLES,
    "integrated_gradients_steps": methods.STEPS,
    "randomised_images": RANDOMIZED_IMAGES,
    "randomised_smoothgrad_samples": RANDOMIZED_SAMPLES,
    "randomised_integrated_gradients_steps": RANDOMIZED_STEPS,
    "uninformative_above": randomization.UNINFORMATIVE,
}
rounded = functools.partial(rounding.rounded, digits=DIGITS)


def directly(name, compute):
    """What measures take their arrays from where nothing is kept for later."""
    return compute()


def summary(values, chances):
    """What a measure (n,) of the images comes to, beside its chance level (n,) on the same images.

    `value` is the mean, `chance` the mean chance level, `gain` the mean of value less chance; `low` and `high`,
    `gain_low` and `gain_high` are 95 % t intervals, images taken as independent, and left out for a single image.
    """
    values, chances = np.asarray(values, "float64"), np.asarray(chances, "float64")
    return rounded(_interval("", values) | {"chance": chances.mean()} | _interval("gain", values - chances))


def proportion(hits, chances):
    """The same of hits (n,), 1 or 0, with Wilson's interval: no hit among few is no certainty. The gain has none."""
    hits, chances = np.asarray(hits, "float64"), np.asarray(chances, "float64")
    result = {"value": hits.mean()}
    if len(hits) > 1:
        result |= dict(zip(("low", "high"), proportion_confint(hits.sum(), len(hits), method="wilson"), strict=True))
    return rounded(result | {"chance": chances.mean(), "gain": (hits - chances).mean()})


def _interval(name, values):
    mean, prefix = values.mean(), f"{name}_" if name else ""
    result = {name or "value": mean}
    if len(values) > 1:
        reach = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        result |= {f"{prefix}low": mean - reach, f"{prefix}high": mean + reach}
    return result


def judged(name, cell):
    """A measure's summary with a verdict where it can be had: is it "better", "worse" or "level" with chance?

    By the interval of the gain; none for a single image, and none where neither direction is the good one.
    """
    if name not in BETTER or "gain_low" not in cell:
        return cell
    level = cell["gain_low"] <= 0 <= cell["gain_high"]
    return cell | {"verdict": "level" if level else "better" if cell["gain"] * BETTER[name] > 0 else "worse"}


def mapped(explain, images, classes, seed, batch_size, kept=directly):
    """All maps of the images, method -> (n, h', w') float32, batch by batch."""
    parts = [
        kept(
            f"maps of images from {at.start + 1:,} of {len(images):,}",
            lambda at=at: explain(images[at], classes[at], seed, first=at.start),
        )
        for at in methods.batches(len(images), batch_size)
    ]
    return {method: np.concatenate([part[method] for part in parts]) for method in methods.METHODS}


def faithful(predict, images, classes, relevance, seed, kept=directly):
    """insertion, deletion and road of each method: method -> measure -> summary."""
    names = [*relevance, faithfulness.RANDOM]

    def of_image(row):
        maps = {method: maps[row] for method, maps in relevance.items()}
        found = faithfulness.measure(predict, images[row], classes[row], maps, seed + row)
        return {measure: np.array([values[name] for name in names]) for measure, values in found.items()}

    measured = [
        kept(f"faithfulness of image {row + 1:,} of {len(images):,}", lambda row=row: of_image(row))
        for row in progress.bar(range(len(images)), what="faithfulness", unit="image")
    ]

    def values(measure, method):
        return [image[measure][names.index(method)] for image in measured]

    return {
        method: {
            measure: judged(measure, summary(values(measure, method), values(measure, faithfulness.RANDOM)))
            for measure in ("insertion", "deletion", "road")
        }
        for method in relevance
    }


def focused(images, relevance, seed):
    """gini, entropy and energy inside the body of each method: method -> measure -> summary.

    The chance of the first two is that of smooth random maps, of the third the body's share of the picture.
    """
    bodies = [focus.body(image) for image in images]
    random = np.abs(faithfulness.random_maps(len(images), images.shape[1:3], seed))
    return {
        method: {
            "gini": summary([focus.gini(each) for each in maps], [focus.gini(each) for each in random]),
            "entropy": summary([focus.entropy(each) for each in maps], [focus.entropy(each) for each in random]),
            "body": summary(
                [focus.energy(each, body) for each, body in zip(maps, bodies, strict=True)],
                [body.mean() for body in bodies],
            ),
        }
        for method, maps in relevance.items()
    }


def localized(relevance, masks):
    """pointing and energy of each method on the images with a lesion: method -> measure -> summary, or nothing.

    `masks` are (n, H, W) bool. `ratio` is energy over its chance, the lesion's share of the picture. Against
    lesion size: `size_correlation`, Spearman's, of the area with that ratio, from three images on; and
    pointing and energy of the smaller and of the larger lesions, split at the median area.
    """
    size = next(iter(relevance.values())).shape[1:]
    lesions = np.stack([focus.resize(mask, size) for mask in masks])
    rows = np.flatnonzero(lesions.any(axis=(1, 2)))
    if not len(rows):
        return {}
    lesions = lesions[rows]
    areas = lesions.mean(axis=(1, 2))
    targets = np.array([focus.enlarged(mask).mean() for mask in lesions])
    ranks = np.argsort(areas, kind="stable")
    halves = {"smaller_lesions": ranks[: len(ranks) // 2], "larger_lesions": ranks[len(ranks) // 2 :]}
    results = {}
    for method, values in relevance.items():
        pairs = list(zip(values[rows], lesions, strict=True))
        hits = np.array([focus.pointing(*pair) for pair in pairs])
        inside = np.array([focus.energy(*pair) for pair in pairs])

        def both(chosen, hits=hits, inside=inside):
            return {
                "pointing": proportion(hits[chosen], targets[chosen]),
                "energy": judged("energy", summary(inside[chosen], areas[chosen])),
            }

        results[method] = both(slice(None)) | {"ratio": rounded(np.mean(inside / areas)), "images": len(rows)}
        if len(rows) > 2 and np.ptp(areas) > 0 and np.ptp(inside / areas) > 0:
            results[method]["size_correlation"] = rounded(stats.spearmanr(areas, inside / areas).statistic)
        results[method] |= {name: both(half) for name, half in halves.items() if len(rows) > 1}
    return results


def randomized(network, explain, images, classes, seed, kept=directly):
    """Cascading randomisation on a few of the images: its table, and method -> results.

    The results are, in `steps`, the mean rank correlation after each block with its 95 % interval, the `chance` level,
    `images` and `uninformative`; only `images`, 0, where the network's map is the same everywhere on each of them.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, RANDOMIZED_IMAGES).round().astype(int))
    images, classes = images[chosen], classes[chosen]
    fewer, done = {"samples": RANDOMIZED_SAMPLES, "steps": RANDOMIZED_STEPS}, itertools.count()

    def maps():
        return kept(f"randomisation after {next(done)} blocks", lambda: explain(images, classes, seed, **fewer))

    table = randomization.cascade(network, maps, seed)
    results = {}
    for method, rows in table.groupby("method", sort=False):
        rows = rows.dropna()
        results[method] = {"images": rows["image"].nunique()}
        if len(rows):
            by_step = rows[rows["step"] != randomization.TRAINED].groupby("step", sort=False)["correlation"]
            results[method]["steps"] = rounded({step: _interval("", values.to_numpy()) for step, values in by_step})
            survives = rows[rows["step"] == rows["step"].iloc[-1]]["correlation"].mean() > randomization.UNINFORMATIVE
            results[method] |= {"chance": rounded(rows["chance"].mean()), "uninformative": bool(survives)}
    return table, results


def evaluate_maps(network, explain, images, classes, masks, seed, batch_size=BATCH_SIZE, kept=directly):
    """Measure all maps of images (n, h, w, 3), pixels 0..255, for the classes (n,) whose codes are explained.

    `explain` is the network's `explainer`, `masks` (n, H, W) bool are the lesions, or None where they are unknown.
    Returns a nested dict of numbers: images, settings and maps, method -> insertion, deletion, road, focus,
    randomisation, localisation; and the table (method, step, image, correlation, chance) of the cascading
    randomisation; both empty where there is no image. `kept(name, compute)` gives the arrays that `compute()` gives,
    or those that an interrupted run got there, as `checkpoint.Checkpoint.kept` does.
    """
    if not len(images):
        return {"images": 0, "settings": SETTINGS, "maps": {}}, pd.DataFrame(columns=randomization.COLUMNS)
    computed = mapped(explain, images, classes, seed, batch_size, kept)
    relevance = {method: interpolation.resize(maps, images.shape[1:3]) for method, maps in computed.items()}
    run = forward.function(network)

    def predict(pictures):
        return np.concatenate([run(pictures[at]) for at in methods.batches(len(pictures), batch_size)])

    faith = faithful(predict, images, classes, relevance, seed, kept)
    focal = focused(images, relevance, seed)
    local = {} if masks is None else localized(relevance, masks)
    table, random = randomized(network, explain, images, classes, seed, kept)
    results = {}
    for method in relevance:
        results[method] = faith[method] | {"focus": focal[method], "randomisation": random[method]}
        if method in local:
            results[method]["localisation"] = local[method]
    return {"images": len(images), "settings": SETTINGS, "maps": results}, table
