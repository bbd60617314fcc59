"""The kinds of maps, by the names under which arrays, tables and metrics keep them. Needs no network."""

TITLES = {
    "saliency": "saliency map",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "integrated gradients",
    "gradcam": "Grad-CAM",
    "gradcam_plus_plus": "Grad-CAM++",
}
METHODS = tuple(TITLES)
PAPER = ("saliency", "gradcam")  # the maps of the paper's figures 5 and 6
