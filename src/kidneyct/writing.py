"""Files that are either whole or not there."""

import contextlib
from pathlib import Path


@contextlib.contextmanager
def writing(path):
    """A path to write to, of the same ending, which takes the place of `path` once all is written.

    The folder is made. What fails, or is interrupted, leaves nothing behind, and what was there before as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        if error.filename == str(partial):
            error.filename = str(path)  # the name that is told
        raise
    finally:
        partial.unlink(missing_ok=True)
