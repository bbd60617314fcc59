"""A file is whole or not there."""

import errno
import os

import pytest

from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.errors import InputError


def test_the_name_appears_when_the_block_ends(tmp_path):
    with atomic_write(tmp_path / "folder/a.txt") as partial:
        partial.write_text("new")
        assert not (tmp_path / "folder/a.txt").exists()
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name != "posix", reason="a folder can't be opened")
def test_it_is_on_the_disk_before_it_has_its_name_and_its_name_then_too(tmp_path, monkeypatch):
    calls, (fsync, replace) = [], (os.fsync, os.replace)
    monkeypatch.setattr(os, "fsync", lambda handle: calls.append(os.fstat(handle)) or fsync(handle))
    monkeypatch.setattr(os, "replace", lambda *paths: calls.append("named") or replace(*paths))
    with atomic_write(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    file, named, folder = calls
    assert (file.st_ino, file.st_size, named) == ((tmp_path / "a.txt").stat().st_ino, 5, "named")
    assert folder.st_ino == tmp_path.stat().st_ino


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "x"), r"a\.txt: expected room on the disk, found none; free some and run it again"),
        (OSError("write failed: errno = 28, 'No space left on device'"), "expected room on the disk"),  # h5py's
        (OSError(errno.EROFS, "Read-only"), r"a\.txt: can't be written \(Read-only\); change that and run it again"),
    ],
)
def test_a_failure_keeps_what_was_there(tmp_path, error, line):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fails():
        with atomic_write(path) as partial:
            partial.write_text("ne")
            raise error

    with pytest.raises(InputError, match=line):
        fails()
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
