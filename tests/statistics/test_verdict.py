"""The answer in words."""

import pytest

from kidneyct.statistics import verdict


def told(candidate, control, nearest, acquisition=0.4, probe=None, **interval):
    accuracy = {"candidate": candidate, "control": control, "gap": candidate - control} | interval
    auroc = (
        {} if probe is None else {"probe": {"macro_auroc": {"candidate": probe, "control": 0.8, "gap": probe - 0.8}}}
    )
    without = {"nearest_thumbnail": nearest, "acquisition": acquisition}
    return verdict.verdict({"accuracy": accuracy, "series": 7} | auroc, without)


def test_a_gap_whose_interval_holds_zero():
    assert told(0.7, 0.65, 0.5, gap_low=-0.02, gap_high=0.12, probe=0.865) == (
        "The candidate is 5.0 points above the control in test accuracy (95 % interval over 7 series -2.0 to +12.0): "
        "the interval holds zero, so no difference is shown. The candidate is 20.0 points above and the control 15.0 "
        "points above a nearest-thumbnail look-up (50.0 %). By a linear probe on all blocks the candidate's features "
        "are 6.5 points above the control's before any training (macro AUROC of series 0.865 against 0.800)."
    )


ACQUISITION = "a linear model of mean grey, its deviation and the border (70.0 %)"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0.7, 0.8, 0.5), "The candidate is 10.0 points below the control in test accuracy; one series of test images"),
        ((0.8, 0.8, 0.5), "The candidate's test accuracy equals the control's; one series"),
        (
            (0.95, 0.999, 0.954),
            "The candidate is 0.4 points below a nearest-thumbnail look-up (95.4 %): this accuracy says nothing about "
            "transfer.",
        ),
        (
            (1.0, 0.99, 1.0),
            "Neither model beats a nearest-thumbnail look-up (100.0 %): the candidate is level with it, the control "
            "is 1.0 points below it; these accuracies say nothing about transfer.",
        ),
        (
            (0.71, 0.7, 0.5, 0.7),
            f"The control is level with {ACQUISITION}: this accuracy says nothing about the disease.",
        ),
        ((0.7, 0.6, 0.5, 0.4, 0.8), "features are level with the control's before any training"),
    ],
)
def test_other_verdicts(arguments, sentence):
    assert sentence in told(*arguments)


def test_an_interval_without_zero_and_gaps_in_points_that_are_never_told_as_nothing():
    sentence = "(95 % interval over 7 series +10.0 to +50.0): the interval leaves out zero."
    assert sentence in told(0.9, 0.6, 0.5, gap_low=0.1, gap_high=0.5)
    gaps = [0.271, -0.05, 0.0, 0.0004, -0.0004, -0.0]
    assert [verdict.signed(gap) for gap in gaps] == ["+27.1", "-5.0", "+0.0", "+0.04", "-0.04", "+0.0"]
