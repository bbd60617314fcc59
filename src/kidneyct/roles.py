"""The two models of the study and what each starts from: the one place that knows which is which."""

from pathlib import Path

ROLES = ("candidate", "control")
CONTROL = "none"  # what the control starts from, as in dvc.yaml
STARTS = {
    "imagenet": "ImageNet's weights",
    "imagenet-stats": "random weights with ImageNet's mean and variance by layer",
    "none": "random weights",
    "photographs": "filters found without labels in two photographs",
}


def starts(weights):
    """What each role starts from, role -> start; `weights` is the candidate's, as in params.yaml."""
    return dict(zip(ROLES, (weights, CONTROL), strict=True))


def described(start):
    """A start in words; a file by its name alone."""
    return STARTS.get(start, Path(start).name)


def titles(weights):
    """What to call each model, role -> "candidate (imagenet)"; a file by its name alone."""
    return {
        role: f"{role} ({'random weights' if start == 'none' else Path(start).name})"
        for role, start in starts(weights).items()
    }
