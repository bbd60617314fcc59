"""The user's own files, such as `data.source`: none is an output of the pipeline, as DVC removes these.

Also a link to one, that DVC may watch.
"""

import contextlib
import os
import shutil
from pathlib import Path

from kidneyct.pipeline.errors import InputError, shown

TABLES = ("archive", "published", "none")  # what series.table may be beside a path
LINK = "table.csv"


def refuse_outputs(source, outs, key="data.source"):
    """InputError where `source`, of the parameter `key`, or what it links to, is one of the paths `outs` or in one."""
    held = []
    with contextlib.suppress(OSError, ValueError):  # no path at all: told where it is read
        held = [out for out in outs if _holds(out, source)]
    if held:
        raise InputError(
            f"params.yaml: {key}: found {shown(source)}, which is {held[0]}, that the pipeline itself writes and "
            "removes; move the file elsewhere and give its new path"
        )


def refuse_same(source, external):
    """InputError where the external test set is the folder or zip that the study's own images come from."""
    same = False
    with contextlib.suppress(OSError, ValueError):  # as above
        same = not {source, external} & {"kaggle", "phantom", "none"} and os.path.samefile(source, external)
    if same:
        raise InputError(
            f"params.yaml: data.external: found {shown(external)}, which is data.source: the models are trained on it; "
            "give another folder or zip, or none"
        )


def _holds(out, source):
    """Whether a path is an output or in one, as it is written or as its links lead; another hard link stays."""
    places = [(Path(whole(out)), Path(whole(source))) for whole in (os.path.abspath, os.path.realpath)]
    there = os.path.exists(source) and os.path.exists(out)  # the same also where a file system sees no case
    return any(place == path or place in path.parents for place, path in places) or (
        there and os.path.samefile(source, out) and os.stat(out).st_nlink == 1
    )


def watch(table, folder):
    """Make `folder` anew, with a link to the file that series.table names, if any: so DVC sees its content.

    InputError where there is no such file.
    """
    if table not in TABLES and not os.path.isfile(table):
        raise InputError(
            f"params.yaml: series.table: expected archive, published, none or the path of a CSV file, found no file at "
            f"{shown(table)} (seen from {Path.cwd()}); experiments in the queue and with --temp need an absolute path"
        )
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    if table in TABLES:
        (Path(folder) / "none.txt").write_text("series.table names no file.\n")  # DVC warns of an empty folder
    else:
        os.symlink(os.path.abspath(table), Path(folder) / LINK)
