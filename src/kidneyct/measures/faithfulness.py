"""Is a map faithful: does the class's probability follow the pixels that the map ranks first?

Insertion and deletion curves after Petsiuk et al. 2018 (RISE), and ROAD (Rong et al. 2022): pixels are taken out by
noisy linear imputation.
"""

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import linalg

# Shares of the pixels at which curves are read between 0 and 1; denser at the start, where they move.
SHARES = (0.1, 0.3, 0.6)
ROAD_SHARES = (0.2, 0.5)
BLUR = 0.05  # standard deviation of insertion's blurred picture, as a share of its side
GRAIN = 1 / 16  # of random maps: standard deviation of their blur as a share of the side
RANDOM = "random"
ROAD_NOISE = 0.01 * 255  # grey levels; the paper's code adds 0.01 where pixels are 0..1, so that no mask shows
# A removed pixel is the weighted mean of its eight neighbours (ROAD's section 4): rows, columns, weight.
NEIGHBOURS = [
    (down, right, 1 / 6 if down == 0 or right == 0 else 1 / 12)
    for down in (-1, 0, 1)
    for right in (-1, 0, 1)
    if down or right
]


def order(relevance, seed):
    """Pixel numbers of a map (h, w), most relevant first; ties, such as Grad-CAM's zeros, in random order."""
    flat = relevance.ravel()
    return np.lexsort((np.random.default_rng(seed).random(flat.size), -flat))


def random_maps(count, size, seed):
    """Smooth Gaussian fields (count, h, w): maps that know nothing, for the chance level."""
    generator = np.random.default_rng(seed)
    return np.stack(
        [ndimage.gaussian_filter(generator.normal(size=size), GRAIN * max(size), mode="wrap") for _ in range(count)]
    )


def blurred(image):
    """What insertion starts from: the image (h, w, c) without its details, float32."""
    sigma = BLUR * max(image.shape[:2])
    return ndimage.gaussian_filter(np.asarray(image, "float32"), (sigma, sigma, 0), mode="nearest")


def replaced(image, other, order, shares):
    """For each share, `image` with its first pixels in `order` taken from `other`: (shares, h, w, c) float32."""
    pictures = np.repeat(np.asarray(image, "float32")[None], len(shares), axis=0)
    flat = pictures.reshape(len(shares), -1, image.shape[-1])
    for picture, share in zip(flat, shares, strict=True):
        first = order[: round(share * len(order))]
        picture[first] = other.reshape(-1, other.shape[-1])[first]
    return pictures


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


def road_pictures(image, order, shares, seed):
    """The image without so many of its most relevant pixels, then of its least relevant: (2 * shares, h, w, c)."""
    pictures = []
    for first, ranked in enumerate((order, order[::-1])):
        for number, share in enumerate(shares):
            removed = np.zeros(image.shape[:2], bool)
            removed.flat[ranked[: round(share * len(order))]] = True
            pictures.append(impute(image, removed, ROAD_NOISE, [seed, first, number]))
    return np.stack(pictures)


def measure(predict, image, code, relevance, seed):
    """Insertion, deletion and ROAD of an image's maps: measure -> method -> number.

    `predict` gives probabilities (n, classes) of pictures (n, h, w, 3), pixels 0..255; `code` is the class
    explained; `relevance` holds each method's map (h, w). The method RANDOM is a map that knows nothing. Insertion
    brings pixels into a blurred picture: high is good. Deletion turns them black: low is good. Both are areas
    under the class's probability, from 0 to 1. ROAD is (LeRF - MoRF) / 2 averaged over the shares, from -0.5 to 0.5:
    above 0, the class loses more without the pixels that the map ranks first. A random map gives 0 on average, since
    it ranks first what its negative, as likely, ranks last.
    """
    size = image.shape[:2]
    black, blur = np.zeros_like(image, "float32"), blurred(image)
    orders = {method: order(values, seed) for method, values in relevance.items()}
    orders[RANDOM] = order(random_maps(1, size, seed)[0], seed)
    pictures = [np.stack([np.asarray(image, "float32"), black, blur])]
    for method, ranked in orders.items():
        pictures.append(replaced(blur, image, ranked, SHARES))
        pictures.append(replaced(image, black, ranked, SHARES))
        if method != RANDOM:
            pictures.append(road_pictures(image, ranked, ROAD_SHARES, seed))
    probabilities = predict(np.concatenate(pictures))[:, code]
    full, none, coarse = probabilities[:3]
    rest = iter(np.split(probabilities, np.cumsum([len(part) for part in pictures])[:-1])[1:])
    results = {"insertion": {}, "deletion": {}, "road": {RANDOM: 0.0}}
    shares = (0, *SHARES, 1)
    for method in orders:
        results["insertion"][method] = float(np.trapezoid([coarse, *next(rest), full], shares))
        results["deletion"][method] = float(np.trapezoid([full, *next(rest), none], shares))
        if method != RANDOM:
            most, least = next(rest).reshape(2, -1)
            results["road"][method] = float(np.mean(least - most) / 2)
    return results
