"""Do two models agree more than chance and their accuracies would have them do?"""

import numpy as np

from kidneyct.files.rounding import rounded


def agreement(codes, candidate, control, classes):
    """How alike two models' predictions are, beside what would be expected of two that have nothing in common.

    `codes`, `candidate` and `control` (n,) are actual and predicted positions among so many `classes`.

    `same_class` is the share of images for which both predict one class; `expected` what their predictions' shares of
    the classes would give by chance, and `kappa` what lies between the two (Cohen 1960). `both_right_or_wrong` is the
    share of images that both get right or both get wrong; `expected` what two models of these accuracies would give if
    their errors were independent, and `kappa` the error consistency of Geirhos et al. 2020 (section 2.1): 0 where the
    errors are independent, 1 where they fall on the same images. A kappa is left out where chance leaves no room.
    """
    codes, candidate, control = (np.asarray(values, int) for values in (codes, candidate, control))
    shares = [np.bincount(predicted, minlength=classes) / len(codes) for predicted in (candidate, control)]
    right = candidate == codes, control == codes
    accuracies = [np.mean(each) for each in right]
    return rounded(
        {
            "same_class": _beside_chance(np.mean(candidate == control), np.dot(*shares)),
            "both_right_or_wrong": _beside_chance(
                np.mean(right[0] == right[1]), np.prod(accuracies) + np.prod(1 - np.array(accuracies))
            ),
        }
    )


def _beside_chance(observed, expected):
    kappa = {"kappa": (observed - expected) / (1 - expected)} if expected < 1 else {}
    return {"observed": observed, "expected": expected} | kappa
