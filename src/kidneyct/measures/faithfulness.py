"""Is a map faithful: does the class's probability follow the pixels that the map ranks first?

Insertion and deletion curves after Petsiuk et al. 2018 (RISE), and ROAD (Rong et al. 2022).
"""

import numpy as np
from scipy import ndimage

from kidneyct.measures import road

# Shares of the pixels at which curves are read between 0 and 1; denser at the start, where they move.
SHARES = (0.1, 0.3, 0.6)
ROAD_SHARES = (0.2, 0.5)
BLUR = 0.05  # standard deviation of insertion's blurred picture, as a share of its side
GRAIN = 1 / 16  # of random maps: standard deviation of their blur as a share of the side
RANDOM = "random"


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


def area(shares, probabilities):
    """Area under a curve that is linear between its points; `shares` run from 0 to 1."""
    return float(np.trapezoid(probabilities, shares))


def measure(predict, image, code, relevance, seed):
    """Insertion, deletion and ROAD of an image's maps: measure -> method -> number.

    `predict` gives probabilities (n, classes) of pictures (n, h, w, 3), pixels 0..255; `code` is the class
    explained; `relevance` holds each method's map (h, w). The method RANDOM is a map that knows nothing. Insertion
    brings pixels into a blurred picture: high is good. Deletion turns them black: low is good. Both are areas
    under the class's probability, from 0 to 1.
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
            pictures.append(road.pictures(image, ranked, ROAD_SHARES, seed).reshape(-1, *image.shape))
    probabilities = predict(np.concatenate(pictures))[:, code]
    full, none, coarse = probabilities[:3]
    rest = iter(np.split(probabilities, np.cumsum([len(part) for part in pictures])[:-1])[1:])
    results = {"insertion": {}, "deletion": {}, "road": {RANDOM: 0.0}}
    shares = (0, *SHARES, 1)
    for method in orders:
        results["insertion"][method] = area(shares, [coarse, *next(rest), full])
        results["deletion"][method] = area(shares, [full, *next(rest), none])
        if method != RANDOM:
            results["road"][method] = road.combined(next(rest).reshape(2, -1))
    return results
