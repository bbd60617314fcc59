"""Embedded pre-training: filters found without labels in two natural photographs.

Data-dependent initialisation in the spirit of Krähenbühl et al. 2016 (arXiv:1511.06856), the filters being
principal directions of patches as in PCANet (Chan et al. 2015, arXiv:1404.3606), layer by layer.
"""

import keras
import numpy as np

from kidneyct.backbone import vgg
from kidneyct.pipeline import progress

CROPS = 32
CROP_SIZE = 200
PATCHES = 20_000
SHRINKAGE = 0.1  # share of the mean variance that is added to a direction's own before whitening
BATCH_SIZE = 8


def crops(generator):
    """Squares at random places of scikit-learn's two photographs, (32, 200, 200, 3) uint8."""
    from sklearn.datasets import load_sample_images  # slow to import, and no other start needs it

    photographs = load_sample_images().images  # 427×640 each
    chosen = []
    for number in range(CROPS):
        photograph = photographs[number % len(photographs)]
        top, left = (generator.integers(0, side - CROP_SIZE + 1) for side in photograph.shape[:2])
        chosen.append(photograph[top : top + CROP_SIZE, left : left + CROP_SIZE])
    return np.stack(chosen)


def patches(activations, count, generator):
    """3×3 patches at random inner places, none twice: (n, h, w, c) to (count or fewer, 9c) float32."""
    images, height, width, channels = activations.shape
    places = images * (height - 2) * (width - 2)
    chosen = np.sort(generator.choice(places, min(count, places), replace=False))
    image, top, left = np.unravel_index(chosen, (images, height - 2, width - 2))
    rows, columns = np.mgrid[0:3, 0:3]
    cut = activations[
        image[:, None, None], top[:, None, None] + rows, left[:, None, None] + columns
    ]  # (count, 3, 3, c)
    return cut.reshape(len(chosen), 9 * channels)


def filters(patches, count, generator):
    """Whitened principal directions of the patches, each with its negative, and the bias that centres them.

    `patches` is (n, d). Returns a kernel (d, count) and a bias (count,). A direction is divided by
    sqrt(variance + shrinkage × mean variance), so that no response has a variance above 1. Where there are
    fewer directions than half of `count`, random ones of response variance 1 fill up.
    """
    from sklearn.utils.extmath import randomized_svd

    mean = patches.mean(axis=0)
    centred = patches - mean
    directions = min(count // 2, *centred.shape)
    _, singular, basis = randomized_svd(centred, directions, n_iter=4, random_state=int(generator.integers(2**31)))
    variances = singular**2 / len(centred)
    mean_variance = np.mean(centred.var(axis=0))
    kernel = basis.T / np.sqrt(variances + SHRINKAGE * mean_variance)  # (d, directions)
    signs = np.sign(kernel[np.abs(kernel).argmax(axis=0), np.arange(kernel.shape[1])])
    kernel = np.concatenate([kernel * signs, -kernel * signs], axis=1)
    if (missing := count - kernel.shape[1]) > 0:
        random = generator.normal(size=(centred.shape[1], missing))
        random /= np.maximum((centred @ random).std(axis=0), np.finfo(np.float32).tiny)
        kernel = np.concatenate([kernel, random], axis=1)
    return kernel.astype("float32"), -(mean @ kernel).astype("float32")


def fill(base, seed, pixel_scaling):
    """Set the kernels and biases of a VGG-16 base from the photographs, from the first layer to the last."""
    generator = np.random.default_rng(seed)
    activations = _run(vgg.PixelScaling(pixel_scaling), crops(generator))
    for layer in progress.bar(base.layers[1:], what="photographs", unit="layer"):
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = filters(patches(activations, PATCHES, generator), layer.filters, generator)
            layer.set_weights([kernel.reshape(layer.kernel.shape), bias])
        activations = _run(layer, activations)


def _run(layer, inputs):
    outputs = [
        keras.ops.convert_to_numpy(layer(inputs[at : at + BATCH_SIZE])) for at in range(0, len(inputs), BATCH_SIZE)
    ]
    return np.concatenate(outputs)
