"""The user's own data, `data.source` and `data.external`, are two things, and neither is an output of the pipeline.

DVC removes a stage's outputs before it runs.
"""

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
    """InputError where `source`, or what it is a link to, is one of the paths `outs` or lies in one.

    `key` is the parameter that names it.
    """
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
