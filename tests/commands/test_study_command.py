"""What `kidneyct study` says while runs are made."""

import pytest

from kidneyct import __main__ as door
from kidneyct.commands import study as command
from kidneyct.experiments import engine, study
from kidneyct.pipeline.errors import InputError

RUNS = [study.Run("arm", "split", fold, 0, {}, f"study-{fold}") for fold in range(4)]


@pytest.fixture
def execute(monkeypatch, tmp_path):
    """`_execute` of a study of four runs, the first of them done, whose engine tells of `events`, each in 600 s."""
    monkeypatch.chdir(tmp_path)

    def call(events):
        def work(missing, done, jobs):
            assert (missing, done, jobs) == (RUNS[1:], RUNS[:1], 3)  # no more at once than there are
            yield from events

        monkeypatch.setattr(engine, "work", work)
        monkeypatch.setattr(command.time, "monotonic", iter(range(0, 10**6, 600)).__next__)
        return command._execute(RUNS, RUNS[1:], 9)

    return call


def test_progress_is_counted_and_what_failed_is_told_while_the_others_go_on(execute, capsys):
    one, two, three = RUNS[1:]
    well, broken = engine.Outcome("", "said\n"), engine.Outcome("it is broken", "amiss\n")
    failed = execute([(one, None), (one, well), (two, None), (three, None), (two, broken), (three, well)])
    assert failed == ["study-2: it is broken; all that was said is in study.log"]
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "1 of 4 runs done; now study-1",
        "2 of 4 runs done, about 7 minutes left; now study-2",  # two of 10 minutes, three at once
        "2 of 4 runs done, about 7 minutes left; now study-3",
    ]
    assert said.err == f"error: {failed[0]}\n"
    with open("study.log") as log:
        assert log.read() == "said\namiss\nsaid\n"


def test_the_first_failure_ends_it_as_it_would_befall_all(execute):
    with pytest.raises(InputError, match=r"^study-1: no such source; all that was said is in study\.log$"):
        execute([(RUNS[1], None), (RUNS[1], engine.Outcome("no such source", ""))])


def test_no_jobs_are_one_line(capsys):
    assert door.main(["study", "--jobs", "0"]) == 2
    assert capsys.readouterr().err == "error: --jobs: expected a number from 1, found 0\n"
