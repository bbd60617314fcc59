"""Tables over runs made by hand."""

import numpy as np
import pytest

from kidneyct.experiments import grid
from kidneyct.experiments.experiments import Run
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES


def run(accuracy=0.5, recalls=(0.5, 0.5), interval=None, **parameters):
    model = {"accuracy": accuracy, "macro_f1": accuracy, "recall": {f"c{i}": r for i, r in enumerate(recalls)}}
    headline = dict.fromkeys(ROLES, model) | {
        "gap": {"accuracy": 0.0} | (interval or {}),
        "leak": {"near_duplicates": 0.25},
        "without_network": {"nearest_thumbnail": 0.75},
    }
    return Run("name", {"seed": 0} | parameters, headline, {})


@pytest.mark.parametrize(
    ("recalls", "expected"),
    [((1, 0, 0), True), ((0, 0, 1), True), ((1, 0, 0.01), False), ((1, 1, 0), False), ((0, 0, 0), False)],
)
def test_collapse_is_one_class_only(recalls, expected):
    assert grid.collapsed(dict(zip("abc", recalls, strict=True))) is expected


def test_collapse_is_looked_for_in_each_runs_recalls():
    assert grid.points([run(recalls=(0, 1), x=1), run(x=2)], "x")["collapsed"].tolist() == [True, True, False, False]


def test_values_come_in_order_words_as_words():
    numbers = grid.points([run(x=10), run(x=0.5), run(x=2)], "x")
    assert numbers["value"].tolist()[::2] == [0.5, 2, 10]
    words = grid.points([run(x="none"), run(x="imagenet"), run(x=3)], "x")
    assert words["value"].tolist()[::2] == ["3", "imagenet", "none"]


def test_equal_parameters_count_once_the_first_of_them():
    runs = grid.distinct([run(0.1, x=1, y=2), run(0.2, x=1, y=2), run(0.3, x=1, y=3)])
    assert [run.headline["control"]["accuracy"] for run in runs] == [0.1, 0.3]
    assert len(grid.distinct([run(x=1), run(x=1.0), run(x=True), run(x="1")])) == 3


def test_runs_are_chosen_by_value():
    assert len(grid.choose([run(x="none"), run(x=None)], {"x": "none"})) == 1
    assert len(grid.choose([run(x=1, y=0), run(x=1.0, y=1), run(x=2, y=1)], {"x": 1, "y": 1})) == 1
    with pytest.raises(InputError, match=r"--where z: expected a parameter of params\.yaml, one of seed, x"):
        grid.choose([run(x=1)], {"z": 1})


def test_lists_and_missing_parameters_differ_too():
    with pytest.raises(InputError, match=r"y is \['a'\] or \['a', 'b'\]"):
        grid.check_comparable([run(x=1, y=["a"]), run(x=2, y=["a", "b"])], "x", ("seed",))
    with pytest.raises(InputError, match="z is 0 or None"):
        grid.check_comparable([run(x=1, z=0), run(x=2)], "x", ("seed",))
    grid.check_comparable([run(x=1, seed=0, z=1), run(x=2, seed=1, z=1.0)], "x", ("seed",))


def test_a_replicate_that_is_no_parameter_is_told_with_those_that_are():
    with pytest.raises(InputError, match=r"--replicate y: expected a parameter of params\.yaml, one of seed, x"):
        grid.check_comparable([run(x=1), run(x=2)], "x", ("seed", "y"))


def test_the_overview_has_gaps_without_an_interval():
    table = grid.overview([run(0.25), run(0.5, interval={"low": -0.125, "high": 0.5})])
    assert table["candidate"].tolist() == [0.25, 0.5]
    np.testing.assert_array_equal(table[["low", "high"]], [[np.nan, np.nan], [-0.125, 0.5]])
    assert table["near_duplicates"].tolist() == [0.25, 0.25]
    assert table["nearest_thumbnail"].tolist() == [0.75, 0.75]
