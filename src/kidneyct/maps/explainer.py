"""Maps of a network for a set of images: the one way in which they are computed."""

import numpy as np

from kidneyct.backbone import gradients, vgg
from kidneyct.classifier import classifier
from kidneyct.maps import gradcam, integrated_gradients, saliency, smoothgrad
from kidneyct.maps.methods import METHODS

BACKWARD = 3  # forward passes that one backward pass costs (benchmarks/maps.py)


def explainer(network, methods=METHODS, *, batch_size, samples=smoothgrad.SAMPLES, steps=integrated_gradients.STEPS):
    """A function (images, classes, seed, first=0) -> maps, method -> (n, h', w') float32, 0 or above, as in `methods`.

    Images are (n, h, w, 3), pixels 0..255, `classes` (n,) the class explained in each; the score is the one before the
    softmax. Grad-CAM and Grad-CAM++ come at the last convolution's resolution, the others at the image's. `seed` draws
    SmoothGrad's noise, `samples` are its copies, `steps` the points of integrated gradients' path. Making the function
    compiles once; it stays valid when the network's weights change, and a call may name fewer `methods`. Called for
    whole batches one after the other, with the number of images before as `first`, it gives what it gives for all at
    once.
    """
    layer = vgg.LAST_CONVOLUTION
    until, after = vgg.part(network, until=layer), vgg.part(network, after=layer, until=classifier.SCORES)
    backward = gradients.backward(until, after)

    def gradient(pixels, classes):
        return backward(pixels, classes)[0][1]

    def from_one_pass(images, classes):
        parts = {method: [] for method in SINGLE}
        for at in saliency.batches(len(images), batch_size):
            (_, slopes), inner = backward(images[at], classes[at])
            parts["saliency"].append(saliency.from_gradient(slopes))
            parts["gradcam"].append(gradcam.from_gradient(*inner))
            parts["gradcam_plus_plus"].append(gradcam.plus_from_gradient(*inner))
        return {method: np.concatenate(values) for method, values in parts.items()}

    def maps(images, classes, seed, first=0, methods=methods):
        computed = from_one_pass(images, classes) if SINGLE & set(methods) else {}
        if "smoothgrad" in methods:
            noisy = smoothgrad.smoothgrad(gradient, images, classes, batch_size, seed, samples, first=first)
            computed["smoothgrad"] = noisy
        if "integrated_gradients" in methods:
            computed["integrated_gradients"] = integrated_gradients.magnitude(
                integrated_gradients.attributions(gradient, images, classes, batch_size, steps)
            )
        return {method: computed[method] for method in methods}

    return maps


SINGLE = {"saliency", "gradcam", "gradcam_plus_plus"}  # what one backward pass gives together


def passes(samples=smoothgrad.SAMPLES, steps=integrated_gradients.STEPS):
    """Forward passes an image that all maps together cost."""
    return BACKWARD * (1 + samples + steps)
