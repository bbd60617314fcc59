"""The chart of a grid of runs: the same bytes each time, for numbers, words and one mean over all."""

import numpy as np
import pandas as pd
import pytest

from kidneyct.experiments import grid_page

NAMES = {"candidate": "candidate (imagenet)", "control": "control"}


def runs(values):
    """Two runs of each value, the control's second one collapsed."""
    cases = [(value, role, run) for value in values for run in (0, 1) for role in NAMES]
    table = pd.DataFrame(cases, columns=["value", "role", "run"])
    table["accuracy"] = table["macro_f1"] = 0.4 + 0.2 * table["run"]
    table["collapsed"] = (table["role"] == "control") & (table["run"] == 1)
    return table


def summed(values, deviation=0.1):
    cases = [(value, role) for value in values for role in NAMES]
    summary = pd.DataFrame(cases, columns=["value", "role"]).astype({"value": object}).assign(runs=2)
    return summary.assign(accuracy_mean=0.5, accuracy_sd=deviation, macro_f1_mean=0.5, macro_f1_sd=deviation)


@pytest.mark.parametrize(
    ("values", "summary", "logarithmic"),
    [
        ((0.1, 1.0), summed((0.1, 1.0)), True),
        (("none", "b" * 30), summed(("none", "b" * 30)), False),
        ((0, 1), summed((0, 1, "all")), False),
        ((7,), summed((7,), deviation=np.nan), False),
    ],
    ids=["numbers", "words", "one mean", "one value"],
)
def test_the_chart_has_the_same_bytes(size_of, values, summary, logarithmic):
    table = runs(values)
    assert size_of(lambda path: grid_page.sweep(path, table, summary, "x", NAMES, logarithmic)) == (1575, 735)
