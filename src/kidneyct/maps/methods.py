"""The kinds of maps: adding one is a function of arrays and an entry here. Needs no network."""

from collections.abc import Callable
from typing import NamedTuple

from kidneyct.maps import gradcam, saliency


class Method(NamedTuple):
    """A kind of map, (n, h', w') float32, 0 or above: from the backward pass that all share, or from more of them."""

    title: str
    from_pass: Callable | None = None  # of slopes in the pixels (n, h, w, 3), and of activations and slopes inside
    from_gradient: Callable | None = None  # of (gradient, images, classes, batch_size), and settings by name


REGISTRY = {  # by the names under which arrays, tables and metrics keep them
    "saliency": Method("saliency map", lambda slopes, *inner: saliency.from_gradient(slopes)),
    "smoothgrad": Method(
        "SmoothGrad",
        from_gradient=lambda given, seed, first, samples, **_: saliency.smoothgrad(*given, seed, samples, first=first),
    ),
    "integrated_gradients": Method(
        "integrated gradients",
        from_gradient=lambda given, steps, **_: saliency.magnitude(saliency.attributions(*given, steps)),
    ),
    "gradcam": Method("Grad-CAM", lambda slopes, *inner: gradcam.from_gradient(*inner)),
    "gradcam_plus_plus": Method("Grad-CAM++", lambda slopes, *inner: gradcam.plus_from_gradient(*inner)),
}
METHODS = tuple(REGISTRY)
PAPER = ("saliency", "gradcam")  # the maps of the paper's figures 5 and 6
