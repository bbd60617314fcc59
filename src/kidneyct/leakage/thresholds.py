"""What a threshold of similarity makes of the images: how many series, and how much a look-up still knows of others."""

import numpy as np
import pandas as pd

from kidneyct.series import inference

SIMILARITIES = (0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995)
MOST = 25_000  # images; the time grows with their square


def curve(thumbnails, groups, codes, similarities=SIMILARITIES):
    """A line for each similarity: the number of series, of series with two classes, and a look-up's accuracy.

    `thumbnails` are (n, 25, 25), `groups` as in `inference.infer` and `codes` (n,). `nearest_thumbnail` is the share of
    all images whose class is that of the most similar image of another series: high where slices of one scan are
    several series. It is NaN where there is one series alone. Of more than MOST images there is no line.
    """
    columns = ["similarity", "series", "mixed", "nearest_thumbnail"]
    if len(thumbnails) > MOST:
        return pd.DataFrame(columns=columns)
    ascending, codes = sorted(similarities), np.asarray(codes)
    partitions = inference.infer_each(thumbnails, groups, ascending)
    fine_first = [(numbers, numbers) for numbers in reversed(partitions)]
    position, correlation = (each[::-1] for each in inference.nearest_each(thumbnails, thumbnails, fine_first))
    lines = []
    for at, (similarity, numbers) in enumerate(zip(ascending, partitions, strict=True)):
        mixed = pd.crosstab(numbers, codes).gt(0).sum(axis=1).gt(1).sum()
        right = np.mean(codes[position[at]] == codes) if np.isfinite(correlation[at]).all() else np.nan
        lines.append((similarity, numbers.max() + 1, mixed, right))
    return pd.DataFrame(lines, columns=columns)
