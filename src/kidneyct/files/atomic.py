"""A file that appears under its name only when it is complete."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

from kidneyct.pipeline.errors import InputError

FULL = {errno.ENOSPC, errno.EDQUOT}


@contextlib.contextmanager
def atomic_write(path, folder=None):
    """A path to write to, beside `path` and of its ending; takes its place when the block ends, is removed if it fails.

    In a `folder`, where one is given, it lies there instead and stays if the block fails: a later run goes on with it.
    The path's own folder is made. A loss of power leaves all of it or nothing. InputError where the file can't be
    written, such as on a full disk.
    """
    path = Path(path)
    partial = folder / path.name if folder else path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not folder:
            partial.unlink(missing_ok=True)
        yield partial
        with partial.open("rb") as file:
            to_disk(file)
        shutil.move(partial, path) if folder else os.replace(partial, path)
        entries_to_disk(path.parent)
    except OSError as error:
        if error.errno in FULL or os.strerror(errno.ENOSPC) in str(error):  # h5py tells the reason in the text alone
            raise InputError(f"{path}: expected room on the disk, found none; free some and run it again") from None
        raise InputError(
            f"{path}: can't be written ({error.strerror or error}); change that and run it again"
        ) from None
    finally:
        if not folder:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def new_folder(path, where):
    """Make a folder to write into; InputError, `where` in front, unless it is new or empty: no file is written over."""
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{where}: expected a new or empty folder, found another; choose another name")
    path.mkdir(parents=True, exist_ok=True)
    return path


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
