"""Do a model's probabilities mean what they say?"""

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss

from kidneyct.files.rounding import rounded

BINS = 15  # as in Guo et al. 2017


def calibrate(codes, probabilities):
    """Expected calibration error (0 to 1) and Brier score (0 to 2), both 0 at best.

    `codes` (n,) are columns of `probabilities` (n, classes), rows summing to 1. The error is the mean distance of
    accuracy from confidence, bins weighted by their images (Guo et al. 2017, equation 3). The Brier score is the
    original, the squared distance of the probabilities from the truth summed over the classes (Brier 1950): 2 for
    certainty of a wrong class, and 1 - 1/classes for the same probability everywhere.
    """
    probabilities = _normalised(probabilities)
    table = reliability(codes, probabilities)
    brier = brier_score_loss(codes, probabilities, labels=np.arange(probabilities.shape[1]), scale_by_half=False)
    error = np.average((table["accuracy"] - table["confidence"]).abs(), weights=table["count"])
    return rounded({"expected_calibration_error": error, "brier_score": brier})


def reliability(codes, probabilities, bins=BINS):
    """What the reliability chart shows: a row for each bin that holds images.

    The bins are of equal width, open below and closed above, over the top class's probability. Columns: low and
    high end, mean confidence (that probability), accuracy and count of the bin's images.
    """
    probabilities = _normalised(probabilities)
    confidence = probabilities.max(axis=1)
    edges = np.linspace(0, 1, bins + 1)
    table = pd.DataFrame(
        {
            "bin": np.digitize(confidence, edges[1:-1], right=True),
            "confidence": confidence,
            "right": probabilities.argmax(axis=1) == np.asarray(codes),
        }
    )
    table = table.groupby("bin").agg(
        confidence=("confidence", "mean"), accuracy=("right", "mean"), count=("right", "size")
    )
    table.insert(0, "low", edges[table.index])
    table.insert(1, "high", edges[table.index + 1])
    return table.reset_index(drop=True)


def _normalised(probabilities):
    probabilities = np.asarray(probabilities, float)
    return probabilities / probabilities.sum(axis=1, keepdims=True)
