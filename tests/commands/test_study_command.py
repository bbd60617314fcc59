"""What `kidneyct study` says while runs are made."""

import pytest

from kidneyct.commands import study as command
from kidneyct.experiments import engine, study
from kidneyct.pipeline.errors import InputError

RUNS = [study.Run("arm", "split", fold, 0, {}, f"study-{fold}") for fold in range(4)]


@pytest.fixture
def execute(monkeypatch):
    """`_execute` of a study of four runs, the first of them done, whose engine tells of `events`."""

    def call(events):
        def work(missing, done, jobs):
            assert (missing, done, jobs) == (RUNS[1:], RUNS[:1], 3)  # no more at once than there are
            yield from events

        monkeypatch.setattr(engine, "work", work)
        return command._execute(RUNS, RUNS[1:], 9)

    return call


def test_what_failed_is_told_while_the_others_go_on(execute, capsys):
    first, second, third = RUNS[1:]
    assert execute([(first, None), (first, ""), (second, None), (second, "broken"), (third, None), (third, "")]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"now study-{number}" for number in (1, 2, 3)]
    assert said.err == "error: study-2: broken\n"


def test_the_first_failure_ends_it(execute):
    with pytest.raises(InputError, match=r"^study-1: no such source$"):
        execute([(RUNS[1], None), (RUNS[1], "no such source")])  # the first, as it would befall all
