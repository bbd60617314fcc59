"""What `kidneyct study` says while runs are made."""

import pytest

from kidneyct.commands import study as command
from kidneyct.experiments import engine, study
from kidneyct.pipeline.errors import InputError

DONE, FIRST, SECOND, THIRD = (study.Run("arm", "split", fold, 0, {}, f"study-{fold}") for fold in range(4))


def test_the_first_failure_ends_it_and_a_later_one_is_told_while_the_others_go_on(monkeypatch, capsys):
    def execute(*events):
        def work(missing, done, jobs):
            assert (missing, done, jobs) == ([FIRST, SECOND, THIRD], [DONE], 3)  # no more at once than there are
            yield from events

        monkeypatch.setattr(engine, "work", work)
        return command._execute([DONE, FIRST, SECOND, THIRD], [FIRST, SECOND, THIRD], 9)

    assert execute((FIRST, None), (FIRST, ""), (SECOND, None), (SECOND, "broken"), (THIRD, None), (THIRD, "")) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [f"now study-{number}" for number in (1, 2, 3)]
    assert said.err == "error: study-2: broken\n"
    with pytest.raises(InputError, match=r"^study-1: no such source$"):  # as it would befall all
        execute((FIRST, None), (FIRST, "no such source"))
