"""The kinds of maps, by the names under which arrays, tables and metrics keep them. Needs no network."""

METHODS = ("saliency", "smoothgrad", "integrated_gradients", "gradcam", "gradcam_plus_plus")
PAPER = ("saliency", "gradcam")  # the maps of the paper's figures 5 and 6
