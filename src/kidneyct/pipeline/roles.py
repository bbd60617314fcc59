"""The two models of the study and what each starts from: the one place that knows which is which."""

ROLES = ("candidate", "control")
CONTROL = "none"  # what the control starts from


def starts(weights):
    """What each role starts from, role -> start; `weights` is the candidate's, as in params.yaml."""
    return dict(zip(ROLES, (weights, CONTROL), strict=True))
