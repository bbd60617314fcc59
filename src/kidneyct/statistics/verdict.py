"""A run's answer in words."""

FEW = 6  # series below which no interval is told: with six, one of 95 % holds the truth in 82 % (benchmarks.intervals)


def verdict(comparison, without):
    """Plain sentences: is there a gap, is either model better than no model at all, and whose features are ahead?

    `comparison` holds the number of "series" of the test images, and under "accuracy" both roles' accuracy and the
    gap, with `gap_low` and `gap_high` where they could be had; `without` are accuracies without a network, by baseline.
    The acquisition is spoken of where a model does not beat it. The last sentence wants "probe", both roles' macro
    AUROC.
    """
    accuracy = comparison["accuracy"]
    sentences = [
        _gap_sentence(accuracy, comparison["series"]),
        _beside(accuracy, without["nearest_thumbnail"], "a nearest-thumbnail look-up", "nothing about transfer"),
    ]
    if min(accuracy["candidate"], accuracy["control"]) <= without["acquisition"]:
        told = "a linear model of mean grey, its deviation and the border", "nothing about the disease"
        sentences.append(_beside(accuracy, without["acquisition"], *told))
    return " ".join(sentences + ([features(comparison["probe"]["macro_auroc"])] if "probe" in comparison else []))


def features(auroc):
    """One sentence of both roles' macro AUROC and its gap, by a linear probe of the features: whose are ahead?"""
    return (
        f"By a linear probe on all blocks the candidate's features are {_standing(auroc['gap'])} the control's before "
        f"any training (macro AUROC of series {auroc['candidate']:.3f} against {auroc['control']:.3f})."
    )


def _gap_sentence(accuracy, series):
    if round(accuracy["gap"], 6) == 0:
        lead = "The candidate's test accuracy equals the control's"
    else:
        lead = f"The candidate is {_apart(accuracy['gap'])} the control in test accuracy"
    if series < FEW or "gap_low" not in accuracy:
        return f"{lead}; {series} series of test images are too few for a fair interval."
    low, high = accuracy["gap_low"], accuracy["gap_high"]
    says = "holds zero, so no difference is shown" if low <= 0 <= high else "leaves out zero"
    return f"{lead} (95 % interval over {series} series {signed(low)} to {signed(high)}): the interval {says}."


def _beside(accuracy, baseline, what, says):
    """Both models' accuracy beside a baseline's, and what an accuracy that is no higher says."""
    gains = {role: round(accuracy[role] - baseline, 6) for role in ("candidate", "control")}
    useless = [role for role, gain in gains.items() if gain <= 0]
    named = f"{what} ({100 * baseline:.1f} %)"
    if len(useless) == 2:
        told = ", ".join(f"the {role} is {_standing(gain)} it" for role, gain in gains.items())
        return f"Neither model beats {named}: {told}; these accuracies say {says}."
    if useless:
        (role,) = useless
        return f"The {role} is {_standing(gains[role])} {named}: this accuracy says {says}."
    return f"The candidate is {_apart(gains['candidate'])} and the control {_apart(gains['control'])} {named}."


def _standing(gain):
    return "level with" if gain == 0 else _apart(gain)


def signed(gap):
    """A gap of two shares in percentage points with its sign, small ones to two decimals."""
    digits = 1 if abs(gap) >= 0.001 or gap == 0 else 2
    return f"{round(100 * gap, digits) + 0.0:+.{digits}f}"


def _apart(gain):
    return f"{signed(gain)[1:]} points {'above' if gain > 0 else 'below'}"
