"""The user's own data, such as `data.source`, is no output of the pipeline: DVC removes these before a stage runs."""

import contextlib
import os
from pathlib import Path

from kidneyct import yaml12
from kidneyct.errors import InputError, shown


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
    """InputError where `source`, a path that `key` gives, or what it is a link to, is one of `outs` or lies in one."""
    held = []
    with contextlib.suppress(OSError, ValueError):  # no path at all: told where it is read
        held = [out for out in outs if _holds(out, source) or _same(out, source)]
    if held:
        raise InputError(
            f"params.yaml: {key}: found {shown(source)}, which is {held[0]}, that the pipeline itself writes and "
            "removes; move the file elsewhere and give its new path"
        )


def _holds(out, source):
    places = [(Path(whole(out)), Path(whole(source))) for whole in (os.path.abspath, os.path.realpath)]
    return any(place == path or place in path.parents for place, path in places)


def _same(out, source):
    """Whether two names are one file's, such as where a file system sees no case; another hard link stays."""
    there = os.path.exists(source) and os.path.exists(out)
    return there and os.path.samefile(source, out) and os.stat(out).st_nlink == 1
