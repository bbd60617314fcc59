"""A file that appears under its name only when it is complete."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

from kidneyct.pipeline.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def atomic_write(path):
    """A path to write to, beside `path` and of its ending; takes its place when the block ends, is removed if it fails.

    The folder is made. A loss of power leaves all of it or nothing. InputError where the file can't be written, such as
    on a full disk.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        yield partial
        with partial.open("rb") as file:
            to_disk(file)
        os.replace(partial, path)
        entries_to_disk(path.parent)
    except OSError as error:
        if error.errno in FULL:
            raise no_room(path) from None
        raise InputError(
            f"{path}: can't be written ({error.strerror or error}); change that and run it again"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def to_disk(file):
    """Have what was written to an open file survive a loss of power."""
    file.flush()
    os.fsync(file.fileno())


def entries_to_disk(folder):
    """Have the names in a folder survive it too, such as one that a file was just given."""
    with contextlib.suppress(OSError):  # some systems can't open a folder, some file systems can't do that to one
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def reserve(file, size, path):
    """Take `size` bytes on disk for an open file, of the draft of `path`, before they are written; InputError if full.

    Where the system can't, nothing is taken, and a full disk is told when it is full.
    """
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
    except OSError as error:
        if error.errno in FULL:
            raise no_room(path, size) from None


def no_room(path, size=None):
    """The InputError for a full disk; `size` is what the file takes, in bytes."""
    folder = Path(path).parent
    with contextlib.suppress(OSError):
        free = f"found {shutil.disk_usage(folder).free / 2**20:,.0f} MiB free in {folder}/"
        needed = "expected room on the disk" if size is None else f"expected room for {size / 2**20:,.0f} MiB"
        return InputError(f"{path}: {needed}, {free}; free some and run it again")
    return InputError(f"{path}: expected room on the disk, found none; free some and run it again")
