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


def no_room(path):
    """The InputError for a full disk."""
    folder, free = Path(path).parent, "none"
    with contextlib.suppress(OSError):
        free = f"{shutil.disk_usage(folder).free / 2**20:,.0f} MiB free in {folder}/"
    return InputError(f"{path}: expected room on the disk, found {free}; free some and run it again")
