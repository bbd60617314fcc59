"""Maps from the class score's gradient in the pixels: saliency, SmoothGrad and integrated gradients.

`gradient` is that of the score before the softmax, for inputs (b, h, w, c) and classes (b,).
"""

import numpy as np

SAMPLES = 4  # SmoothGrad's noisy copies; the paper finds little gain beyond 50, each costs a backward pass
NOISE = 0.15  # standard deviation as a share of the range of the pixels; the paper's 10 to 20 %
PIXEL_RANGE = 255
STEPS = 6  # points of integrated gradients' path; each costs a backward pass


def from_gradient(gradient):
    """Saliency map: the largest magnitude over the channels, (n, h, w, c) to (n, h, w).

    Simonyan et al. 2014, section 3. A value is the score's change per grey level of the strongest channel.
    """
    return np.abs(gradient).max(axis=-1)


def noise(shape, samples, share, seed, position):
    """Draw Gaussian noise in grey levels, (samples, *shape) float32, from the seed and the image's position alone."""
    generator = np.random.default_rng([seed, position])
    return generator.normal(scale=share * PIXEL_RANGE, size=(samples, *shape)).astype("float32")


def smoothgrad(gradient, images, classes, batch_size, seed, samples=SAMPLES, share=NOISE, first=0):
    """SmoothGrad maps (n, h, w) float32 of images (n, h, w, c), pixels 0..255, for one class each.

    Smilkov et al. 2017: the gradient's mean magnitude over noisy copies of the image, then the largest over the
    channels. `first` is the position of the first image among all, from which the noise is drawn.
    """
    maps = []
    for position, (image, code) in enumerate(zip(images, classes, strict=True), start=first):
        total = np.zeros(image.shape, "float32")
        copies = image + noise(image.shape, samples, share, seed, position)  # (samples, h, w, c)
        for at in batches(samples, batch_size):
            total += np.abs(gradient(copies[at], np.full(len(copies[at]), code))).sum(axis=0)
        maps.append(total / samples)
    return from_gradient(np.stack(maps))


def path(steps):
    """Midpoints of `steps` equal parts of 0..1."""
    return (np.arange(steps, dtype="float32") + 0.5) / steps


def attributions(gradient, images, classes, batch_size, steps=STEPS):
    """Integrated gradients (n, h, w, c) float32, signed, of images (n, h, w, c), pixels 0..255, for one class each.

    Sundararajan et al. 2017, equation 1 by the midpoint rule, with a black picture as the baseline. An image's
    attributions sum to its score less the black picture's, but for the rule's error.
    """
    shared_out = []
    for image, code in zip(images, classes, strict=True):
        total = np.zeros(image.shape, "float32")
        for at in batches(steps, batch_size):
            shares = path(steps)[at]
            total += gradient(shares[:, None, None, None] * image, np.full(len(shares), code)).sum(axis=0)
        shared_out.append(total / steps * image)
    return np.stack(shared_out)


def magnitude(attributions):
    """Integrated gradients' map: magnitudes summed over the channels, (n, h, w, c) to (n, h, w)."""
    return np.abs(attributions).sum(axis=-1)


def batches(count, batch_size):
    """Slices that cover `count` rows in order."""
    return [slice(start, start + batch_size) for start in range(0, count, batch_size)]
