"""dvc.lock: what each stage was run with, what it read and what it wrote; and whether all that is of one run."""

import functools
import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError, faults, missing

BACK = "run dvc repro, or git checkout dvc.lock params.yaml and dvc checkout to go back to the commit's run"
MEND = "settle what a merge left in it and run dvc repro, or git checkout dvc.lock"


class _Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class File(_Section):
    path: str
    md5: str


class Stage(_Section):
    deps: list[File] = []
    params: dict[str, dict[str, Any]] = {}
    outs: list[File] = []

    @property
    def parameters(self):
        """What it read of params.yaml, by dotted name."""
        return dotted(self.params.get("params.yaml", {}))


class Lock(_Section):
    stages: dict[str, Stage] = {}


def read(folder):
    """Read the dvc.lock in a folder; InputError says what is amiss."""
    path = folder / "dvc.lock"
    try:
        tree = yaml12.read(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: not there; give a finished run's folder with --workspace, or make a run: make demo, dvc repro"
        ) from None
    except InputError as error:
        raise InputError(f"{error}; {MEND}") from None
    return checked(Lock, {} if tree is None else tree, path)


def checked(model, values, source):
    """Values as a pydantic model; InputError has one line on the first of them that is amiss."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{source}: {' '.join(next(faults(error)).split())}; {MEND}") from None


def one_run(lock, last, folder, stop_at=()):
    """The stage `last` and all that it came from, name -> Stage; those named in `stop_at` are the earliest.

    InputError where the lock has no stage `last`, or where a stage read another file than the one that is of the lock:
    then they are of different runs. Of a file in a folder that was written whole, or the other way round, the lock has
    no digest of its own: the file in the run's `folder` is hashed.
    """
    source = folder / "dvc.lock"
    if last not in lock.stages:
        raise InputError(f"{source}: expected a finished stage {last}, found none; run dvc repro")
    outs = [(out, name) for name, stage in lock.stages.items() for out in stage.outs]
    reached, pending, known = {}, [last], functools.cache(digest)  # many stages read one folder
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached[name] = lock.stages[name]
        for dep in () if name in stop_at else reached[name].deps:
            for out, writer in outs:
                if _within(dep.path, out.path) or _within(out.path, dep.path):
                    if not _same(dep, out, folder, known):
                        raise InputError(
                            f"{source}: {out.path} is of another run: {writer} wrote it again, and {name} has not been "
                            f"run on that; {BACK}"
                        )
                    pending.append(writer)
    return reached


def _within(path, folder):
    """Whether a path is a folder, or lies in it."""
    return path == folder or path.startswith(f"{folder}/")


def _same(dep, out, folder, known):
    if dep.path == out.path:
        return dep.md5 == out.md5
    return not (folder / dep.path).exists() or known(folder / dep.path) == dep.md5


def check_file(folder, path, md5s):
    """InputError where a file of a run is not the one that dvc.lock knows; `md5s` is `written`'s.

    What an output of several files holds is known from DVC's cache; where that does not know, all of them are hashed.
    """
    out = next((out for out in md5s if _within(path, out)), None)
    if out is None:
        raise InputError(f"{folder / 'dvc.lock'}: expected a stage that wrote {path}, found none; run dvc repro")
    if not (folder / path).exists():
        raise missing(folder / path)
    known = _listed(folder, out, md5s[out]).get(path)
    hashed, expected = (path, known) if known else (out, md5s[out])
    if digest(folder / hashed) != expected:
        raise InputError(
            f"{folder / hashed}: not the file that dvc.lock knows, but another run's; run dvc checkout for the one of "
            "dvc.lock, or dvc repro for a new one"
        )


def _listed(folder, out, md5):
    """The files of an output of several as DVC's cache lists them, path -> MD5; {} where it does not."""
    try:
        entries = json.loads(cached(folder, md5).read_bytes())
        return {f"{out}/{entry['relpath']}": entry["md5"] for entry in entries}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def cached(folder, md5):
    """Where the cache of a project's folder keeps a file of this MD5, or the list of an output of several."""
    return folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def digest(path):
    """The MD5 of a file or a folder as dvc.lock has it."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file() and file.parent.name != "__pycache__"]
        names = sorted(file.relative_to(path).as_posix() for file in files)
        entries = [{"md5": digest(path / name), "relpath": name} for name in names]
        return f"{hashlib.md5(json.dumps(entries).encode()).hexdigest()}.dir"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def dotted(section, prefix=""):
    """Nested parameters by dotted name, as dvc.lock has them."""
    values = {}
    for name, value in section.items():
        values |= dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values


def written(stages):
    """MD5 of each file that some stages wrote, by path."""
    return {out.path: out.md5 for stage in stages.values() for out in stage.outs}
