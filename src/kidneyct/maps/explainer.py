"""Maps of a network for a set of images: the one way in which they are computed."""

from functools import cache

import numpy as np

from kidneyct.backbone import gradients, vgg
from kidneyct.classifier import classifier
from kidneyct.maps.methods import METHODS, REGISTRY, SAMPLES, STEPS, batches


def explainer(network, methods=METHODS, *, batch_size):
    """A function (images, classes, seed) -> maps, method -> (n, h', w') float32, 0 or above, as in `methods`.

    Images are (n, h, w, 3), pixels 0..255, `classes` (n,) the class explained in each; the score is the one before the
    softmax. Grad-CAM and Grad-CAM++ come at the last convolution's resolution, the others at the image's. `seed` draws
    SmoothGrad's noise. Making the function compiles once; it stays valid when the network's weights change. `methods`,
    `samples` (SmoothGrad's copies) and `steps` (points of integrated gradients' path) may be fewer in a call. Batch
    after batch gives the same as all images at once, with the number of images before it as `first`.
    """
    layer = vgg.LAST_CONVOLUTION
    until, after = vgg.part(network, until=layer), vgg.part(network, after=layer, until=classifier.SCORES)
    backward = gradients.backward(until, after)

    def gradient(pixels, classes):
        return backward(pixels, classes)[0][1]

    def maps(images, classes, seed, first=0, methods=methods, samples=SAMPLES, steps=STEPS):
        arguments = gradient, images, classes, batch_size
        settings = {"seed": seed, "first": first, "samples": samples, "steps": steps}

        @cache
        def shared():
            found = [backward(images[at], classes[at]) for at in batches(len(images), batch_size)]
            parts = zip(*((slopes, *inner) for (_, slopes), inner in found), strict=True)
            return [np.concatenate(part) for part in parts]

        return {name: REGISTRY[name].compute(shared, arguments, **settings) for name in methods}

    return maps
