"""dvc.lock: what each stage was run with, what it read and what it wrote; and whether all that is of one run."""

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError

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
        return self.params.get("params.yaml", {})


class Lock(_Section):
    stages: dict[str, Stage] = {}


def read(path):
    """The lock in a file; InputError says what is amiss."""
    try:
        return _lock(yaml12.read, path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: not there; give the folder of a finished run with --workspace, or run dvc repro"
        ) from None


def parse(content, source):
    """The lock in bytes; InputError, naming the source, where they are none."""
    return _lock(yaml12.parse, content, source)


def _lock(document, *given):
    """The lock that is the document of what is `given`, whose name comes last."""
    try:
        tree = document(*given)
    except InputError as error:
        raise InputError(f"{error}; {MEND}") from None
    return checked(Lock, {} if tree is None else tree, given[-1])


def checked(model, values, source):
    """Values as a pydantic model; InputError has one line on the first of them that is amiss."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ": ".join(["", *(" ".join(f"{part}".split()) for part in first["loc"])])
        raise InputError(f"{source}{where}: {' '.join(first['msg'].split())}; {MEND}") from None


def one_run(lock, last, first=(), source="dvc.lock"):
    """The stages that `last` came from, itself among them, name -> Stage; none beyond those named in `first`.

    InputError where a stage read another file than the lock's stage for it wrote: such are of different runs.
    """
    writers = {out.path: (name, out.md5) for name, stage in lock.stages.items() for out in stage.outs}
    reached, pending = {}, [last]
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached[name] = lock.stages[name]
        for dep in () if name in first else reached[name].deps:
            writer, md5 = writers.get(dep.path, (None, dep.md5))
            if md5 != dep.md5:
                raise InputError(
                    f"{source}: {dep.path} is of another run: {writer} wrote it anew, and {name} has not been run on "
                    f"that; {BACK}"
                )
            if writer:
                pending.append(writer)
    return reached


def outdated(stages, parameters):
    """What a stage was run with that has another value now, in words, or None; `parameters` by dotted name."""
    for stage in stages.values():
        for name, value in stage.parameters.items():
            if parameters.get(name) != value:
                return f"made with {name}: {value}, params.yaml says {parameters.get(name)}"
    return None


def check_together(lasts, parameters, folders, path="dvc.lock"):
    """InputError where what the stages `lasts` wrote is not of one run with these parameters, by dotted name.

    Their files in `folders` must be those that the lock knows; larger ones elsewhere are not read. Of a stage that the
    lock does not know nothing is asked, as before the first `dvc repro`.
    """
    known = read(path) if Path(path).exists() else Lock()
    stages = {}
    for last in lasts:
        stages |= one_run(known, last, source=path) if last in known.stages else {}
    if changed := outdated(stages, parameters):
        raise InputError(f"{path}: {changed}; {BACK}")
    for name, md5 in written(stages).items():
        own = Path(name).read_bytes() if name.startswith(folders) and Path(name).exists() else None
        if own is not None and hashlib.md5(own).hexdigest() != md5:
            raise InputError(f"{name}: not the file that {path} knows, but another run's; {BACK}")


def dotted(section, prefix=""):
    """Nested parameters by dotted name, as dvc.lock has them."""
    values = {}
    for name, value in section.items():
        values |= dotted(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return values


def written(stages):
    """MD5 of each file that some stages wrote, by path."""
    return {out.path: out.md5 for stage in stages.values() for out in stage.outs}
