"""What `kidneyct study` says of several runs at once."""

import pytest

from kidneyct import __main__ as door
from kidneyct.commands import study as command
from kidneyct.experiments import crew, study
from kidneyct.pipeline.errors import InputError

RUNS = [study.Run("arm", "split", fold, 0, {}, f"study-{fold}") for fold in range(4)]


@pytest.fixture
def told(monkeypatch):
    """A study of four runs, the first of them done, whose workers tell of `events`; calls `_execute`."""
    asked = {}

    def call(events):
        def work(missing, needs, ready, count, place, log):
            asked.update(missing=missing, ready=ready, count=count)
            yield from events

        monkeypatch.setattr(crew, "work", work)
        monkeypatch.setattr(study, "needs", lambda runs: {run.name: frozenset([run.name]) for run in runs})
        options = door._parser().parse_args(["study", "--jobs", "9"])
        return command._execute(RUNS, RUNS[1:], options), asked

    return call


def test_progress_counts_all_workers_and_what_was_lost_is_told(told, capsys):
    one, two, three = RUNS[1:]
    events = [
        crew.Started(one),
        crew.Finished(one, 3600.0),
        crew.Started(two),
        crew.Started(three),
        crew.Lost(two, "signal 9", 1),
        crew.Trouble("no contact"),
        crew.Trouble("no contact"),
        crew.Failed(two, InputError("study-2: it is broken")),
        crew.Finished(three, 60.0),
    ]
    failed, asked = told(events)
    assert [str(error) for error in failed] == ["study-2: it is broken"]
    assert asked == {"missing": RUNS[1:], "ready": frozenset(["study-0"]), "count": 3}  # no more workers than runs
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "1 of 4 runs done; now study-1",
        "2 of 4 runs done, about 40 minutes left; now study-2",
        "2 of 4 runs done, about 40 minutes left; now study-3",
    ]
    assert said.err.splitlines() == [
        "study-2: killed (signal 9), started again; try 2 of 3",
        "waiting for Slurm to answer: no contact",
        "error: study-2: it is broken",
    ]


def test_the_first_failure_ends_it_as_it_would_befall_all(told):
    with pytest.raises(InputError, match="no such source"):
        told([crew.Started(RUNS[1]), crew.Failed(RUNS[1], InputError("no such source"))])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--jobs", "0"], "error: --jobs: expected a number from 1, found 0\n"),
        (["--cluster-option", "time=1"], "error: --cluster-option: expected --cluster slurm with it, found none\n"),
    ],
)
def test_options_that_can_not_be(words, line, capsys):
    assert door.main(["study", *words]) == 2
    assert capsys.readouterr().err == line
