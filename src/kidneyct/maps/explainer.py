"""All maps of a network for a set of images."""

import keras
import numpy as np

from kidneyct.maps import gradcam, integrated_gradients, saliency, smoothgrad
from kidneyct.network import gradients, vgg

PASSES = 27  # forward passes an image that all maps together cost (benchmarks/explanations.py)
METHODS = ("saliency", "smoothgrad", "integrated_gradients", "gradcam", "gradcam_plus_plus")


def explainer(network, batch_size, samples=smoothgrad.SAMPLES, steps=integrated_gradients.STEPS):
    """The function (images, classes, seed) -> maps of `explain`; it stays valid when the weights change.

    `samples` are SmoothGrad's noisy copies, `steps` the points of integrated gradients' path.
    """
    layer = vgg.LAST_CONVOLUTION
    until, after = vgg.part(network, until=layer), vgg.part(network, after=layer, until=vgg.SCORES)
    backward = gradients.backward(until, after)

    def gradient(pixels, classes):
        return backward(pixels, classes)[0][1]

    def maps(images, classes, seed):
        found = {method: [] for method in METHODS}
        for at in saliency.batches(len(images), batch_size):
            (_, slopes), inner = backward(images[at], classes[at])
            found["saliency"].append(saliency.from_gradient(slopes))
            found["gradcam"].append(gradcam.from_gradient(*inner))
            found["gradcam_plus_plus"].append(gradcam.plus_from_gradient(*inner))
        found = {method: np.concatenate(parts) for method, parts in found.items() if parts}
        found["smoothgrad"] = smoothgrad.smoothgrad(gradient, images, classes, batch_size, seed, samples)
        found["integrated_gradients"] = integrated_gradients.magnitude(
            integrated_gradients.attributions(gradient, images, classes, batch_size, steps)
        )
        return {method: found[method] for method in METHODS}

    return maps


def explain(network, images, classes, batch_size, seed):
    """Maps of images (n, h, w, 3), pixels 0..255, for one class each: method -> (n, h', w') float32, 0 or above.

    Grad-CAM and Grad-CAM++ come at the last convolution's resolution, the others at the image's. The score
    is the one before the softmax. `seed` draws SmoothGrad's noise.
    """
    return explainer(network, batch_size)(images, classes, seed)


def resize(maps, size):
    """Maps (n, h', w') brought to `size` (h, w) bilinearly, (n, h, w) float32."""
    if maps.shape[1:] == tuple(size):
        return np.asarray(maps, "float32")
    maps = np.asarray(maps, "float32")[..., None]
    return keras.ops.convert_to_numpy(keras.ops.image.resize(maps, size, interpolation="bilinear"))[..., 0]
