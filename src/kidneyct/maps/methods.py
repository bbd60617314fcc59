"""The kinds of maps: adding one is a function of arrays and an entry in the registry. Needs no network.

`gradient` is that of the class score before the softmax in the pixels, a function of inputs (b, h, w, c) and classes
(b,). Images are (n, h, w, c), pixels 0..255; maps are (n, h', w') float32, 0 or above.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SAMPLES = 4  # SmoothGrad's noisy copies; the paper finds little gain beyond 50, each costs a backward pass
NOISE = 0.15 * 255  # their standard deviation in grey levels; the paper's 10 to 20 % of the range
STEPS = 6  # points of integrated gradients' path; each costs a backward pass


def saliency(gradient):
    """Saliency map of slopes in the pixels: the largest magnitude over the channels, (n, h, w, c) to (n, h, w).

    Simonyan et al. 2014, section 3. A value is the score's change per grey level of the strongest channel.
    """
    return np.abs(gradient).max(axis=-1)


def noise(shape, samples, scale, seed, position):
    """Draw Gaussian noise in grey levels, (samples, *shape) float32, from the seed and the image's position alone."""
    generator = np.random.default_rng([seed, position])
    return generator.normal(scale=scale, size=(samples, *shape)).astype("float32")


def smoothgrad(gradient, images, classes, batch_size, seed, samples=SAMPLES, scale=NOISE, first=0):
    """SmoothGrad maps of images, for one class each.

    Smilkov et al. 2017: the gradient's mean magnitude over noisy copies of the image, then the largest over the
    channels. `first` is the position of the first image among all, from which the noise is drawn.
    """
    maps = []
    for position, (image, code) in enumerate(zip(images, classes, strict=True), start=first):
        total = np.zeros(image.shape, "float32")
        copies = image + noise(image.shape, samples, scale, seed, position)  # (samples, h, w, c)
        for at in batches(samples, batch_size):
            total += np.abs(gradient(copies[at], np.full(len(copies[at]), code))).sum(axis=0)
        maps.append(total / samples)
    return saliency(np.stack(maps))


def attributions(gradient, images, classes, batch_size, steps=STEPS):
    """Integrated gradients (n, h, w, c) float32, signed, of images, for one class each.

    Sundararajan et al. 2017, equation 1 by the midpoint rule, with a black picture as the baseline. An image's
    attributions sum to its score less the black picture's, but for the rule's error.
    """
    path = (np.arange(steps, dtype="float32") + 0.5) / steps  # midpoints of equal parts of 0..1
    shared_out = []
    for image, code in zip(images, classes, strict=True):
        total = np.zeros(image.shape, "float32")
        for at in batches(steps, batch_size):
            total += gradient(path[at, None, None, None] * image, np.full(len(path[at]), code)).sum(axis=0)
        shared_out.append(total / steps * image)
    return np.stack(shared_out)


def batches(count, batch_size):
    """Slices that cover `count` rows in order."""
    return [slice(start, start + batch_size) for start in range(0, count, batch_size)]


def weighted_sum(activations, weights):
    """What of the weighted sum of the channels is positive, (n, h, w, c) and (n, c) to (n, h, w).

    Selvaraju et al. 2017, equation 2.
    """
    return np.maximum(np.einsum("nhwc,nc->nhw", activations, weights), 0)


def gradcam(activations, gradient):
    """Grad-CAM of the last convolution's activations and the slopes there, (n, h, w, c) twice to (n, h, w).

    A channel's weight is the gradient's mean over the positions (Selvaraju et al. 2017, equation 1).
    """
    return weighted_sum(activations, gradient.mean(axis=(1, 2)))


def plus_alphas(activations, gradient):
    """The share of each position in its channel's weight, (n, h, w, c) (Chattopadhay et al. 2018, equation 19).

    The class score enters as its exponential, so its second and third derivatives are the gradient's square
    and cube: g² / (2 g² + ΣA g³), with g² cancelled here lest it vanish in 32 bits. Where the gradient
    is zero, so is alpha.
    """
    total = activations.sum(axis=(1, 2), keepdims=True)  # (n, 1, 1, c)
    divisor = 2 + total * gradient
    return np.divide(1, divisor, out=np.zeros_like(gradient), where=(gradient != 0) & (divisor != 0))


def gradcam_plus_plus(activations, gradient):
    """Grad-CAM++, as `gradcam`; activations are after their ReLU.

    Chattopadhay's equation 5, without the factor exp(score) that a map shares.
    """
    weights = (plus_alphas(activations, gradient) * np.maximum(gradient, 0)).sum(axis=(1, 2))  # (n, c)
    return weighted_sum(activations, weights)


class Method(NamedTuple):
    """A kind of map, that of `compute(backward, arguments, **settings)`.

    `backward()` gives one backward pass that all share: (slopes in the pixels, activations of the last convolution,
    slopes there). `arguments` are (gradient, images, classes, batch_size), for a method that needs more passes.
    """

    title: str
    compute: Callable


REGISTRY = {  # by the names under which arrays, tables and metrics keep them
    "saliency": Method("saliency map", lambda backward, arguments, **_: saliency(backward()[0])),
    "smoothgrad": Method(
        "SmoothGrad",
        lambda backward, arguments, seed, first, samples, **_: smoothgrad(*arguments, seed, samples, first=first),
    ),
    "integrated_gradients": Method(
        "integrated gradients",  # magnitudes summed over the channels
        lambda backward, arguments, steps, **_: np.abs(attributions(*arguments, steps)).sum(axis=-1),
    ),
    "gradcam": Method("Grad-CAM", lambda backward, arguments, **_: gradcam(*backward()[1:])),
    "gradcam_plus_plus": Method("Grad-CAM++", lambda backward, arguments, **_: gradcam_plus_plus(*backward()[1:])),
}
METHODS = tuple(REGISTRY)
PAPER = ("saliency", "gradcam")  # the maps of the paper's figures 5 and 6
