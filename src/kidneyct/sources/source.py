"""The user's own files, such as `data.source`: refused where DVC would remove them, linked to where it watches."""

import contextlib
import os
import shutil
from pathlib import Path

from kidneyct.pipeline.errors import InputError, shown

TABLES = ("archive", "published", "none")  # what series.table may be beside a path
LINK = "table.csv"
WRITTEN = "that the pipeline itself writes and removes; move the file elsewhere and give its new path"
TRAINED = "data.source, that the models are trained on; give another folder or zip, or none"


def refuse(path, places, key, why=WRITTEN):
    """InputError where a path, of the parameter `key`, or what it links to, is one of some places or in one."""
    held = []
    with contextlib.suppress(OSError, ValueError):  # no path at all: told where it is read
        held = [place for place in places if _holds(place, path)]
    if held:
        raise InputError(f"params.yaml: {key}: found {shown(path)}, which is {shown(held[0])}, {why}")


def _holds(place, path):
    """Whether a path is a place or in one, as it is written or as its links lead; another hard link stays."""
    written = [(Path(whole(place)), Path(whole(path))) for whole in (os.path.abspath, os.path.realpath)]
    there = os.path.exists(path) and os.path.exists(place)  # the same also where a file system sees no case
    return any(outer == inner or outer in inner.parents for outer, inner in written) or (
        there and os.path.samefile(path, place) and os.stat(place).st_nlink == 1
    )


def require(path, key, expected, found="nothing", there=os.path.lexists):
    """InputError where a path, of the parameter `key`, is not `there`; it says what was `expected` and `found`."""
    if not there(path):
        raise InputError(
            f"{key}: expected {expected}, found {found} at {shown(path)} (seen from {Path.cwd()}); experiments in the "
            "queue, in a study and with --temp need an absolute path"
        )


def watch(table, folder):
    """Make `folder` again, with a link to the file that series.table names, if any: so DVC sees its content.

    InputError where there is no such file.
    """
    if table not in TABLES:
        expected = f"{', '.join(TABLES)} or the path of a CSV file"
        require(table, "params.yaml: series.table", expected, "no file", os.path.isfile)
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    if table in TABLES:
        (Path(folder) / "none.txt").write_text("series.table names no file.\n")  # DVC warns of an empty folder
    else:
        os.symlink(os.path.abspath(table), Path(folder) / LINK)
