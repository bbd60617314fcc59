"""What an interrupted stage leaves: who finds it, and in what state."""

import contextlib
import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest

from kidneyct.files import checkpoint
from kidneyct.pipeline.errors import InputError

PIPELINE = """
stages:
  train:
    foreach: [candidate, control]
    do:
      cmd: "true"
      deps: ["data/${item}.npy", code]
      params: [train.epochs]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = Path(__file__).parents[2]
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text((root / "params.yaml").read_text())
    (tmp_path / "code").mkdir()
    (tmp_path / "code/one.py").touch()
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data/candidate.npy", np.arange(3))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def work(stage="train@candidate", device="CPU"):
    return checkpoint.opened(stage, "training", device)


def interrupt(**options):
    """A stage that is interrupted after it has saved something; its folder."""
    with contextlib.suppress(KeyboardInterrupt), work(**options) as at_work:
        at_work.save("state", epoch=3, weights=np.ones(2))
        raise KeyboardInterrupt
    return at_work.folder


def left():
    return sorted(path.name for path in Path(".unfinished/train@candidate").iterdir())


def test_the_same_stage_finds_what_was_saved_and_leaves_nothing_when_done(project):
    folder = interrupt()
    assert folder.parts[:2] == (".unfinished", "train@candidate")
    with work() as again:
        assert again.folder == folder
        found = again.load("state")
        assert (int(found["epoch"]), found["weights"].tolist()) == (3, [1, 1])
        assert again.load("other") is None
    assert list(Path(".unfinished").iterdir()) == []


def rewrite(name, old, new):
    Path(name).write_text(re.sub(old, new, Path(name).read_text()))


CHANGES = {
    "a parameter": lambda patch: rewrite("params.yaml", r" epochs: \d+", r"\g<0>1"),
    "data": lambda patch: np.save("data/candidate.npy", np.arange(4)),
    "code": lambda patch: Path("code/two.py").write_text("\n"),
    "packages": lambda patch: patch.setattr(checkpoint.record.metadata, "version", lambda package: "0"),
    "a parameter of others": lambda patch: rewrite("params.yaml", "batch_size: 100", "batch_size: 50"),
    "what Python leaves": lambda patch: Path("code/__pycache__/one.pyc").touch(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_inputs_find_nothing_and_clear_it_away(project, monkeypatch, change):
    Path("code/__pycache__").mkdir()
    folder = interrupt()
    assert interrupt(stage="train@control").name != folder.name
    CHANGES[change](monkeypatch)
    same = change in ("a parameter of others", "what Python leaves")
    with work() as other:
        assert (other.load("state") is not None, other.folder == folder) == (same, same)
        assert left() == sorted([other.folder.name, "lock"])
    assert interrupt(device="GPU").name != folder.name


def test_of_two_processes_the_second_is_refused(project):
    with work() as first:
        first.save("state", epoch=3)
        with pytest.raises(InputError, match="expected no one at work here, found another process; wait"), work():
            pass
        assert first.load("state")


def test_damaged_files_are_told_and_not_used(project, capsys):
    path = interrupt() / "state.npz"
    content = path.read_bytes()
    damaged = [content[: len(content) // 2], b"", content.replace(np.ones(1).tobytes(), np.zeros(1).tobytes())]
    with work() as again:
        for bad in damaged:
            path.write_bytes(bad)
            assert again.load("state") is None
            line = f"training: {path}: damaged, as an interruption may leave it; what it held is computed again\n"
            assert capsys.readouterr().out == line
            assert again.load("state") is None  # and forgotten
        assert capsys.readouterr().out == ""


def full(*given, **named):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_does_not_end_a_stage_that_only_saves(project, monkeypatch, capsys):
    with work() as now:
        now.save("state", epoch=1)
        with monkeypatch.context() as patched:
            patched.setattr(np, "savez", full)
            now.save("state", epoch=2)
            now.save("state", epoch=3)
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith("training: an interrupted run would lose what follows: .unfinished/train@candidate/")
        assert int(now.load("state")["epoch"]) == 1
        assert len(list(now.folder.glob("*state*"))) == 1


def test_a_result_comes_into_its_place_when_it_is_whole(project):
    with work() as now, now.writing("new/out.csv") as path:
        path.write_text("whole")
        assert not list(Path("new").iterdir())
    assert [path.read_text() for path in Path("new").iterdir()] == ["whole"]


def test_saving_takes_a_small_share_of_the_time(project, monkeypatch):
    now, saved = [0.0], []
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])

    def save():
        saved.append(now[0])
        now[0] += 2  # seconds that it costs

    with work() as at_work:
        for _ in range(100):
            now[0] += 5
            at_work.now_and_then(save)
    assert saved[:3] == [5, 47, 89]  # the first at once, the next 40 seconds later: 2 of 40 are the share
    assert checkpoint.SHARE == 0.05
