"""Do images look like those that a model was trained on?"""

import numpy as np

from kidneyct.series import inference

PERCENTILE = 1  # of the training images that lie below the threshold of likeness


def likeness(thumbnails, training):
    """Correlation of each thumbnail (n, 25, 25) with the most similar training image's, (n,)."""
    return inference.nearest(thumbnails, training)[1]


def threshold(training, numbers):
    """The likeness below which an image looks unlike the training images, thumbnails (n, 25, 25) of series (n,).

    Each series in turn is compared with all others, as if it were new; `PERCENTILE` per cent of the training images
    are less like the rest than this. It tells other kinds of pictures, not unusual findings: a thumbnail knows
    nothing of a lesion. Without a second series nothing is known, and nothing is called unlike.
    """
    across = [
        likeness(training[numbers == number], training[numbers != number])
        for number in np.unique(numbers)
        if np.any(numbers != number)
    ]
    return float(np.percentile(np.concatenate(across), PERCENTILE)) if across else -1.0
