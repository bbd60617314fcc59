"""What maps, starts and models are called where people read of them."""

from pathlib import Path

from kidneyct import roles

MAPS = {
    "saliency": "saliency map",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "integrated gradients",
    "gradcam": "Grad-CAM",
    "gradcam_plus_plus": "Grad-CAM++",
}
STARTS = {
    "imagenet": "ImageNet's weights",
    "imagenet-stats": "random weights with ImageNet's mean and variance by layer",
    "none": "random weights",
    "photographs": "filters found without labels in two photographs",
}


def start(weights):
    """A start in words; a file by its name alone."""
    return STARTS.get(weights, Path(weights).name)


def models(weights):
    """What to call each model, role -> "candidate (imagenet)"; `weights` is the candidate's start."""
    return {
        role: f"{role} ({STARTS['none'] if start == roles.CONTROL else Path(start).name})"
        for role, start in roles.starts(weights).items()
    }
