"""A network's maps, measured: faithfulness, dependence on what was learned, focus, localisation."""

import keras
import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from tqdm import tqdm

from kidneyct.maps import explainer, integrated_gradients, saliency, smoothgrad
from kidneyct.measures import faithfulness, focus, localization, randomization

BATCH_SIZE = 8
PASSES = 90  # forward passes an image that all measures together cost (benchmarks/explanations.py)
CASCADE_IMAGES = 4  # of those measured, evenly spaced
CASCADE_SAMPLES, CASCADE_STEPS = 2, 3  # of SmoothGrad and integrated gradients there: each step maps anew
DIGITS = 4
SETTINGS = {  # how finely all this is measured, for whoever reads the results
    "curve_points": len(faithfulness.SHARES) + 2,
    "road_shares": len(faithfulness.ROAD_SHARES),
    "smoothgrad_samples": smoothgrad.SAMPLES,
    "integrated_gradients_steps": integrated_gradients.STEPS,
    "randomised_images": CASCADE_IMAGES,
}


def summary(values, chances):
    """What a measure (n,) of the images comes to, beside its chance level (n,) on the same images.

    `value` is the mean, `chance` the mean chance level, `gain` the mean of value less chance; `low` and `high`,
    `gain_low` and `gain_high` are 95 % t intervals, images taken as independent, and left out for a single image.
    """
    values, chances = np.asarray(values, "float64"), np.asarray(chances, "float64")
    found = _interval("", values) | {"chance": chances.mean()} | _interval("gain", values - chances)
    return rounded(found)


def proportion(hits, chances):
    """The same of hits (n,), 1 or 0, with Wilson's interval: no hit among few is no certainty. The gain has none."""
    hits, chances = np.asarray(hits, "float64"), np.asarray(chances, "float64")
    found = {"value": hits.mean()}
    if len(hits) > 1:
        found |= dict(zip(("low", "high"), proportion_confint(hits.sum(), len(hits), method="wilson"), strict=True))
    return rounded(found | {"chance": chances.mean(), "gain": (hits - chances).mean()})


def _interval(name, values):
    mean, prefix = values.mean(), f"{name}_" if name else ""
    found = {name or "value": mean}
    if len(values) > 1:
        reach = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        found |= {f"{prefix}low": mean - reach, f"{prefix}high": mean + reach}
    return found


def rounded(tree):
    """Nested numbers as plain rounded floats."""
    if isinstance(tree, dict):
        return {key: rounded(value) for key, value in tree.items()}
    return tree if isinstance(tree, bool | int) else round(float(tree), DIGITS) + 0.0


def predictor(network, batch_size):
    """A function from pictures (n, h, w, 3), pixels 0..255, to probabilities (n, classes), batch by batch."""

    def predict(pictures):
        outputs = [network.predict_on_batch(pictures[at]) for at in saliency.batches(len(pictures), batch_size)]
        return np.concatenate([keras.ops.convert_to_numpy(output) for output in outputs])

    return predict


def faithful(predict, images, classes, relevance, seed):
    """insertion, deletion and road of each method: method -> measure -> summary."""
    found = [
        faithfulness.measure(
            predict, images[row], classes[row], {of: relevance[of][row] for of in relevance}, seed + row
        )
        for row in tqdm(range(len(images)), desc="faithfulness", unit="image", disable=None)
    ]

    def of(measure, method):
        return [image[measure][method] for image in found]

    return {
        method: {
            measure: summary(of(measure, method), of(measure, faithfulness.RANDOM))
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
            "gini": summary([focus.gini(one) for one in values], [focus.gini(one) for one in random]),
            "entropy": summary([focus.entropy(one) for one in values], [focus.entropy(one) for one in random]),
            "body": summary(
                [focus.energy(one, body) for one, body in zip(values, bodies, strict=True)],
                [body.mean() for body in bodies],
            ),
        }
        for method, values in relevance.items()
    }


def localized(relevance, masks):
    """pointing and energy of each method on the images with a lesion: method -> measure -> summary, or nothing.

    `masks` are (n, H, W) bool. `ratio` is energy over its chance, the lesion's share of the picture. Against
    lesion size: `size_correlation`, Spearman's, of the area with that ratio, from three images on; and
    pointing and energy of the smaller and of the larger lesions, split at the median area.
    """
    size = next(iter(relevance.values())).shape[1:]
    lesions = np.stack([localization.resize(mask, size) for mask in masks])
    rows = np.flatnonzero(lesions.any(axis=(1, 2)))
    if not len(rows):
        return {}
    lesions = lesions[rows]
    areas = lesions.mean(axis=(1, 2))
    targets = np.array([localization.enlarged(mask).mean() for mask in lesions])
    ranks = np.argsort(areas, kind="stable")
    halves = {"smaller_lesions": ranks[: len(ranks) // 2], "larger_lesions": ranks[len(ranks) // 2 :]}
    found = {}
    for method, values in relevance.items():
        pairs = list(zip(values[rows], lesions, strict=True))
        hits = np.array([localization.pointing(*pair) for pair in pairs])
        inside = np.array([focus.energy(*pair) for pair in pairs])

        def both(chosen, hits=hits, inside=inside):
            return {
                "pointing": proportion(hits[chosen], targets[chosen]),
                "energy": summary(inside[chosen], areas[chosen]),
            }

        found[method] = both(slice(None)) | {"ratio": rounded(np.mean(inside / areas)), "images": len(rows)}
        if len(rows) > 2 and np.ptp(areas) > 0 and np.ptp(inside / areas) > 0:
            found[method]["size_correlation"] = rounded(stats.spearmanr(areas, inside / areas).statistic)
        found[method] |= {name: both(half) for name, half in halves.items() if len(rows) > 1}
    return found


def randomized(network, images, classes, seed, batch_size):
    """Cascading randomisation on a few of the images: its table, and method -> results.

    The results are the mean rank correlation after each block with its 95 % interval, the `chance` level, `images`
    and `uninformative`; only `images`, 0, where the network's map is the same everywhere on each of them.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, CASCADE_IMAGES).round().astype(int))
    images, classes = images[chosen], classes[chosen]
    explain = maps.explainer(network, batch_size, CASCADE_SAMPLES, CASCADE_STEPS)
    table = randomization.cascade(network, lambda: explain(images, classes, seed), seed)
    flags = randomization.uninformative(table)
    results = {}
    for method, rows in table.groupby("method", sort=False):
        rows = rows.dropna()
        results[method] = {"images": rows["image"].nunique()}
        if len(rows):
            steps = rows[rows["step"] != randomization.TRAINED].groupby("step", sort=False)["correlation"]
            results[method] |= rounded({step: _interval("", values.to_numpy()) for step, values in steps})
            results[method] |= rounded({"chance": rows["chance"].mean()}) | {"uninformative": flags[method]}
    return table, results


def measure(network, images, classes, masks, seed, batch_size=BATCH_SIZE):
    """Measure all maps of images (n, h, w, 3), pixels 0..255, for the classes (n,) whose codes are explained.

    `masks` (n, H, W) bool are the lesions, or None where they are unknown. Returns a nested dict of numbers,
    images, settings and method -> insertion, deletion, road, focus, randomisation, localisation; and the table (method,
    step, correlation) of the cascading randomisation.
    """
    found = maps.explain(network, images, classes, batch_size, seed)
    relevance = {method: maps.resize(values, images.shape[1:3]) for method, values in found.items()}

    faith = faithful(predictor(network, batch_size), images, classes, relevance, seed)
    focal = focused(images, relevance, seed)
    local = {} if masks is None else localized(relevance, masks)
    table, random = randomized(network, images, classes, seed, batch_size)
    results = {"images": len(images), "settings": SETTINGS}
    for method in relevance:
        results[method] = faith[method] | {"focus": focal[method], "randomisation": random[method]}
        if method in local:
            results[method]["localisation"] = local[method]
    return results, table
