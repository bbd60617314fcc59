"""Which runs share work, by the project's own dvc.yaml and params.yaml."""

import pytest

from kidneyct.experiments import shared, study
from kidneyct.pipeline import params

ARMS = {"imagenet": "imagenet", "none": "none"}


@pytest.fixture(scope="module")
def needs():
    """(arm, fold, seed) -> what the run needs."""
    wanted = study.Study(
        settings={"split.by": "series", "split.folds": 2},
        arms={name: {"weights": start} for name, start in ARMS.items()},
        splits={"series": {}},
        seeds=[0, 1],
    )
    runs = study.plan(wanted)
    found = study.needs(runs)
    return {(run.arm, run.fold, run.seed): found[run.name] for run in runs}


def common(needs, one, other):
    """How many of the 22 stages, and START's second digest, are the same."""
    return len(needs[one] & needs[other])


def test_what_two_runs_have_in_common(needs):
    first = ("imagenet", 0, 0)
    assert len(needs[first]) == 22 + 1
    # all but the candidate's six stages, both comparisons, and START without the seed
    assert common(needs, first, ("none", 0, 0)) == 23 - 9
    # check, download, preprocess, series, two of the external test set; initialize and features of both; START
    assert common(needs, first, ("imagenet", 1, 0)) == 6 + 4 + 1
    # check, download, preprocess, series, two of the external test set; START
    assert common(needs, first, ("imagenet", 0, 1)) == 6 + 1
    assert common(needs, first, ("none", 1, 1)) == 6


def test_a_run_waits_for_what_another_is_the_first_to_compute(needs):
    first, control, start, other = ("imagenet", 0, 0), ("none", 0, 0), ("imagenet", 0, 1), ("none", 1, 1)
    waiting = {run: needs[run] for run in (control, start, other)}
    assert shared.may_start(waiting, [], set()) == [control, start, other]
    assert shared.may_start(waiting, [needs[first]], set()) == []  # all want the data
    data = needs[first] & needs[other]
    assert shared.may_start(waiting, [needs[first]], data) == [other]  # not the control's fold, nor the start
    assert shared.may_start(waiting, [needs[other]], needs[first]) == []  # the first its start, the second its control


def test_digests_follow_parameters_and_what_was_read():
    values = params.validate().model_dump()
    stages = shared.stages("dvc.yaml", "compare")
    before = shared._digests(stages, values)
    values["split"]["test"] = 0.5
    changed = {name for name, digest in shared._digests(stages, values).items() if digest != before[name]}
    roles = ("candidate", "control")
    assert changed == {"split", "leakage", "compare_external", "compare"} | {
        f"{name}@{role}" for name in ("probe", "train", "evaluate", "evaluate_external") for role in roles
    }
    assert "explain@candidate" not in stages
