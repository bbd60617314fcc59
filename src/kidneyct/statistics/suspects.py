"""Test images whose label both models contradict with confidence: for a person to look at, not proof."""

import numpy as np

from kidneyct.files import index
from kidneyct.files.predictions import PROBABILITY
from kidneyct.files.rounding import rounded
from kidneyct.pipeline.roles import ROLES

COLUMNS = (
    "row",
    "image",
    "label",
    "both_say",
    *(column for role in ROLES for column in (role, f"{role}_of_label")),
    "nearest_training",
    "nearest_agrees",
    "series",
)


def suspects(rows, predictions, nearest, series, classes):
    """The list, a table of COLUMNS, and what it is worth, the whole of `suspects.json`.

    `rows` (n,) of the index, `predictions` (by role, tables), `nearest` (the class of each test image's nearest
    training image, (n,)) and `series` (n,) have a line for each test image.

    An image is listed where both models take it for one and the same class that is not its label, and each gives this
    class a high and the label a low probability. High and low are the thresholds of confident learning (Northcutt et
    al. 2021, *Confident learning: estimating uncertainty in dataset labels*, equation 2): a class's is the mean
    probability that the model gives it over the test images that bear it as their label; at or above is high, below is
    low. That both models agree, that the class is their answer and that the label is low goes beyond the paper's
    equation 1. The table has the class as `both_say`, each model's probability of it and of the label, and is sorted
    by the smaller of the two probabilities of `both_say`, the highest first.

    `weak` names the models that are right no more often than who always says the commonest label of the test images:
    with one of them nothing is listed, as its wrong answers say nothing of labels. `by_chance` is how many images
    would be listed if the two models' confident contradictions had nothing in common but the label.
    """
    first = predictions[ROLES[0]]
    codes, count = index.codes(first["label"], classes), len(classes)
    probabilities = {role: table[[PROBABILITY + label for label in classes]] for role, table in predictions.items()}
    probabilities = {role: table.to_numpy(float) for role, table in probabilities.items()}  # (n, classes)
    answers = {role: index.codes(table["predicted"], classes) for role, table in predictions.items()}
    limits = {role: thresholds(codes, given) for role, given in probabilities.items()}
    said = {role: contradicted(codes, answers[role], given, limits[role]) for role, given in probabilities.items()}

    commonest = np.bincount(codes, minlength=count).max() / len(codes)
    weak = [role for role in ROLES if np.mean(answers[role] == codes) <= commonest]
    one, other = (said[role] for role in ROLES)
    listed = np.flatnonzero((one >= 0) & (one == other)) if not weak else np.array([], int)
    both = one[listed]
    of_class = {role: given[listed, both] for role, given in probabilities.items()}
    listed = listed[np.argsort(-np.minimum(*of_class.values()), kind="stable")]

    names = np.array(classes)
    result = first.iloc[listed][["image", "label"]].reset_index(drop=True)
    result["row"], result["both_say"] = np.asarray(rows)[listed], names[one[listed]]
    for role, given in probabilities.items():
        result[role], result[f"{role}_of_label"] = given[listed, one[listed]], given[listed, codes[listed]]
    result["nearest_training"] = np.asarray(nearest)[listed]
    result["nearest_agrees"] = (result["nearest_training"] == result["both_say"]).astype(int)
    result["series"] = np.asarray(series)[listed]
    worth = {
        "test_images": len(codes),
        "listed": len(listed),
        "nearest_agrees": int(result["nearest_agrees"].sum()),
        "commonest_label": commonest,
        "by_chance": expected(codes, one, other, count),
        "contradicted": {role: int((values >= 0).sum()) for role, values in said.items()},
        "thresholds": {
            role: {label: value for label, value in zip(classes, values, strict=True) if np.isfinite(value)}
            for role, values in limits.items()
        },
    }
    return result[list(COLUMNS)], {"weak": weak} | rounded(worth)


def told(worth):
    """What `suspects.json` comes to, in a sentence."""
    if weak := worth["weak"]:
        return (
            f"No label is doubted: the {' and the '.join(weak)} {'are' if len(weak) > 1 else 'is'} right no more often "
            f"than the commonest label ({100 * worth['commonest_label']:.1f} % of the test images)."
        )
    return (
        f"Both models contradict the label of {worth['listed']} of {worth['test_images']} test images with confidence; "
        f"{worth['by_chance']:.1f} would be expected if their mistakes had nothing in common."
    )


def thresholds(codes, probabilities):
    """Mean probability (classes,) of each class over the images labelled so; infinite where there are none."""
    of_class = [probabilities[codes == code, code] for code in range(probabilities.shape[1])]
    return np.array([values.mean() if len(values) else np.inf for values in of_class])


def contradicted(codes, answers, probabilities, thresholds):
    """The class (n,) that a model gives each image with confidence instead of its label; -1 where it does not."""
    lines = np.arange(len(codes))
    high = probabilities[lines, answers] >= thresholds[answers]
    low = probabilities[lines, codes] < thresholds[codes]
    return np.where((answers != codes) & high & low, answers, -1)


def expected(codes, one, other, classes):
    """How many images two models would contradict alike if they did so independently, label by label."""
    total = 0.0
    for code in range(classes):
        of_label = codes == code
        shares = [np.bincount(said[of_label & (said >= 0)], minlength=classes) for said in (one, other)]
        total += np.dot(*shares) / max(1, of_label.sum())
    return total
