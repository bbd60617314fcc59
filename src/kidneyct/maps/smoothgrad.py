"""SmoothGrad: saliency averaged over noisy copies of the image (Smilkov et al. 2017)."""

import numpy as np

from kidneyct.maps import saliency

SAMPLES = 4  # noisy copies an image; the paper finds little gain beyond 50, each costs a backward pass
NOISE = 0.15  # standard deviation as a share of the range of the pixels, 0..255; the paper's 10 to 20 %
PIXEL_RANGE = 255


def noise(shape, samples, share, seed, position):
    """Gaussian noise in grey levels, (samples, *shape) float32, from the seed and the image's position alone."""
    generator = np.random.default_rng([seed, position])
    return generator.normal(scale=share * PIXEL_RANGE, size=(samples, *shape)).astype("float32")


def smoothgrad(gradient, images, classes, batch_size, seed, samples=SAMPLES, share=NOISE, first=0):
    """SmoothGrad maps (n, h, w) float32 of images (n, h, w, c), pixels 0..255, for one class each.

    `gradient` gives the class score's gradient in the pixels for inputs (b, h, w, c) and classes (b,). The
    mean of its magnitude over the copies; the largest over the channels, as for plain saliency. `first` is the
    position of the first image among all, from which the noise is drawn.
    """
    maps = []
    for position, (image, code) in enumerate(zip(images, classes, strict=True), start=first):
        total = np.zeros(image.shape, "float32")
        copies = image + noise(image.shape, samples, share, seed, position)  # (samples, h, w, c)
        for at in saliency.batches(samples, batch_size):
            total += np.abs(gradient(copies[at], np.full(len(copies[at]), code))).sum(axis=0)
        maps.append(total / samples)
    return saliency.from_gradient(np.stack(maps))
