"""What `kidneyct study` says while runs are made."""

import pytest

from kidneyct import __main__ as door
from kidneyct.commands import study as command
from kidneyct.experiments import engine, study
from kidneyct.pipeline.errors import InputError

RUNS = [study.Run("arm", "split", fold, 0, {}, f"study-{fold}") for fold in range(4)]


@pytest.fixture
def execute(monkeypatch):
    """`_execute` of a study of four runs, the first of them done, whose engine tells of `events`, each in 600 s."""

    def call(events):
        def work(missing, done, jobs):
            assert (missing, done, jobs) == (RUNS[1:], RUNS[:1], 3)  # no more at once than there are
            yield from events

        monkeypatch.setattr(engine, "work", work)
        monkeypatch.setattr(command.time, "monotonic", iter(range(0, 10**6, 600)).__next__)
        return command._execute(RUNS, RUNS[1:], 9)

    return call


def test_progress_is_counted_and_what_failed_is_told_while_the_others_go_on(execute, capsys):
    first, second, third = RUNS[1:]
    assert execute([(first, None), (first, ""), (second, None), (second, "broken"), (third, None), (third, "")]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "1 of 4 runs done; now study-1",
        "2 of 4 runs done, about 40 minutes left; now study-2",  # one in 20 minutes, two to go
        "3 of 4 runs done, about 30 minutes left; now study-3",
    ]
    assert said.err == "error: study-2: broken\n"


def test_mistakes_that_end_it(execute, capsys):
    with pytest.raises(InputError, match=r"^study-1: no such source$"):
        execute([(RUNS[1], None), (RUNS[1], "no such source")])  # the first, as it would befall all
    assert door.main(["study", "--jobs", "0"]) == 2
    assert capsys.readouterr().err.endswith("error: --jobs: expected a number from 1, found 0\n")
