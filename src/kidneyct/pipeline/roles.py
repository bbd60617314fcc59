"""The two models of the study and what each starts from: the one place that knows which is which."""

ROLES = ("candidate", "control")
CONTROL_START = "none"  # what the control starts from
STARTS = {  # what `weights` may be beside a path, in words; `backbone.weights.FILL` has a function for each
    "imagenet": "ImageNet's weights",
    "none": "random weights",
    "he": "random weights that keep the signal's size (He et al. 2015)",
    "photographs": "filters found without labels in two photographs",
}


def starts(weights):
    """What each role starts from, role -> start; `weights` is the candidate's, as in params.yaml."""
    return dict(zip(ROLES, (weights, CONTROL_START), strict=True))
