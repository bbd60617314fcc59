"""The user's own files, such as `data.source`: none is an output of the pipeline, as DVC removes these.

Also a link to one, that DVC may watch.
"""

import contextlib
import os
import shutil
from pathlib import Path

from kidneyct.images.container import LARGEST
from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError, shown

TABLES = ("archive", "published", "none")  # what series.table may be beside a path
LINK = "table.csv"


def outputs(pipeline="dvc.yaml"):
    """Paths of all that the stages of a dvc.yaml write."""
    found = []
    for entry in yaml12.read(pipeline)["stages"].values():
        body, keys = entry.get("do", entry), entry.get("foreach", [""])
        for out in [*body.get("outs", []), *body.get("metrics", [])]:
            path = next(iter(out)) if isinstance(out, dict) else out
            found += [path.replace("${item}", str(key)).replace("${key}", str(key)) for key in keys]
    return list(dict.fromkeys(found))


def refuse_outputs(source, outs, key="data.source"):
    """InputError where `source`, of the parameter `key`, or what it links to, is one of the paths `outs` or in one."""
    held = []
    with contextlib.suppress(OSError, ValueError):  # no path at all: told where it is read
        held = [out for out in outs if _holds(out, source) or _same(out, source)]
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
    places = [(Path(whole(out)), Path(whole(source))) for whole in (os.path.abspath, os.path.realpath)]
    return any(place == path or place in path.parents for place, path in places)


def _same(out, source):
    """Whether two names are one file's, such as where a file system sees no case; another hard link stays."""
    there = os.path.exists(source) and os.path.exists(out)
    return there and os.path.samefile(source, out) and os.stat(out).st_nlink == 1


def watch(table, folder):
    """Make `folder` anew, with a link to the file that series.table names, if any: so DVC sees its content.

    A copy where the file system has no links. InputError where there is no such file, or none can be made.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
        Path(folder).mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: can't be made anew ({error.strerror}); change that and run it again") from None
    if table in TABLES:
        (Path(folder) / "none.txt").write_text("series.table names no file.\n")  # DVC warns of an empty folder
        return
    content = read_bytes(table)  # what can't be read is told here, in one line
    try:
        os.symlink(os.path.abspath(table), Path(folder) / LINK)
    except OSError:
        (Path(folder) / LINK).write_bytes(content)


def read_bytes(table):
    """The content of the file that series.table names; InputError where it is none that may be read."""
    try:
        there = os.path.lexists(table)
        path = Path(table)
        if path.is_file() and path.stat().st_size <= LARGEST:
            return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(
            f"params.yaml: series.table: {shown(table)}: can't be read ({getattr(error, 'strerror', None) or error}); "
            "change that"
        ) from None
    if there:
        dangling = "a link that leads nowhere" if not path.exists() else "no file"
        found = f"{path.stat().st_size:,} bytes" if path.is_file() else "a folder" if path.is_dir() else dangling
        raise InputError(f"params.yaml: series.table: expected a CSV file at {shown(table)}, found {found}")
    raise InputError(
        f"params.yaml: series.table: expected archive, published, none or the path of a CSV file, found nothing at "
        f"{shown(table)} (seen from {Path.cwd()}); experiments in the queue and with --temp need an absolute path"
    )
