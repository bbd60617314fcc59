"""Lines for a log, by a clock that the test sets."""

import pytest

from kidneyct.pipeline import progress


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def test_a_line_a_minute_and_none_for_short_work(clock, capsys):
    for number in progress.bar(range(1000), what="features", unit="batch"):
        clock[0] += 0.7 if number < 900 else 0.05
        assert number < 1000
    # The first line when 60 seconds have gone, after batch 86 of 0.7 s each: 914 × 0.7 s = 10:39 are left.
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "features: batch 86 of 1,000, 10:39 left"
    assert lines[1] == "features: batch 172 of 1,000, 09:39 left"
    assert len(lines) == 10  # 630 s until batch 900, then 5 s
    for _ in progress.bar(range(50), what="features", unit="batch"):
        clock[0] += 1
    assert capsys.readouterr() == ("", "")


def test_what_comes_in_updates_and_what_was_done_before_took_no_time(clock, capsys):
    with progress.bar(what="slices", unit="slice", total=5000, done=800) as told:
        clock[0] += 3600
        told.update(200)  # 18 s each, 4,000 to go
    assert capsys.readouterr().err == "slices: slice 1,000 of 5,000, 20:00:00 left\n"


def test_a_bar_at_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    assert list(progress.bar(iter("abc"), what="features", unit="batch", total=3)) == ["a", "b", "c"]
    assert "features: 100%" in capsys.readouterr().err
