"""ROAD: take pixels out by noisy linear imputation, and see what the class loses (Rong et al. 2022)."""

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

NOISE = 0.01 * 255  # grey levels; the paper's code adds 0.01 where pixels are 0..1, so that no mask shows
# A pixel is the weighted mean of its eight neighbours (the paper's section 4): rows, columns, weight.
NEIGHBOURS = [
    (down, right, 1 / 6 if down == 0 or right == 0 else 1 / 12)
    for down in (-1, 0, 1)
    for right in (-1, 0, 1)
    if down or right
]


def neighbour_weights(removed):
    """How the k removed pixels of a mask (h, w) depend on their neighbours: sparse (k, h * w)."""
    height, width = removed.shape
    rows, columns = np.nonzero(removed)
    entries = []  # (removed pixel, neighbour, weight)
    for down, right, weight in NEIGHBOURS:
        near, across = rows + down, columns + right
        inside = np.flatnonzero((near >= 0) & (near < height) & (across >= 0) & (across < width))
        entries.append((inside, near[inside] * width + across[inside], np.full(len(inside), weight)))
    pixels, neighbours, weights = (np.concatenate(part) for part in zip(*entries, strict=True))
    return sparse.csc_array((weights, (pixels, neighbours)), shape=(len(rows), removed.size))


def impute(image, removed, noise, seed):
    """The image (h, w, c), its pixels in the mask `removed` (h, w) filled in from the others, float32.

    Every removed pixel becomes the weighted mean of its neighbours inside the picture, removed ones among
    them, which is a sparse linear system. Gaussian noise of standard deviation `noise` in grey levels is
    added to what is filled in.
    """
    filled = np.array(image, "float64")
    if removed.any():
        weights = neighbour_weights(removed)
        system = sparse.diags_array(weights.sum(axis=1)) - weights[:, removed.ravel()]
        filled[removed] = 0
        values = linalg.splu(sparse.csc_array(system)).solve(weights @ filled.reshape(-1, filled.shape[-1]))  # (k, c)
        filled[removed] = values + np.random.default_rng(seed).normal(scale=noise, size=values.shape)
    return np.clip(filled, 0, 255).astype("float32")


def masks(order, shares, size):
    """What to remove: for each share, the most relevant pixels and the least relevant, (2, shares, h, w) bool.

    `order` lists the pixels of a picture of `size` (h, w), most relevant first.
    """
    removed = np.zeros((2, len(shares), len(order)), bool)
    for first, ranked in enumerate((order, order[::-1])):
        for number, share in enumerate(shares):
            removed[first, number, ranked[: round(share * len(order))]] = True
    return removed.reshape(2, len(shares), *size)


def pictures(image, order, shares, seed):
    """The image without its most relevant pixels, then without its least relevant: (2, shares, h, w, c)."""
    return np.stack(
        [
            [impute(image, removed, NOISE, [seed, first, number]) for number, removed in enumerate(removals)]
            for first, removals in enumerate(masks(order, shares, image.shape[:2]))
        ]
    )


def combined(probabilities):
    """(LeRF - MoRF) / 2 averaged over the shares: (2, shares) to a number from -0.5 to 0.5.

    Above 0, the class loses more without the pixels that the map ranks first. A random map gives 0 on
    average, since it ranks first what its negative, as likely, ranks last.
    """
    most, least = probabilities
    return float(np.mean(least - most) / 2)
