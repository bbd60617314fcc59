"""dvc.lock of a finished run, written over files that lie in a folder."""

import functools
import hashlib
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from kidneyct.pipeline import lock as locks
from kidneyct.pipeline import params, yaml12


def md5(path):
    """The MD5 of a file or folder, or of its name where it is not there."""
    return locks.digest(path) if path.exists() else hashlib.md5(path.name.encode()).hexdigest()


@functools.cache
def pipeline():
    """The stages of dvc.yaml, name -> (what it reads, what it writes)."""
    code = ("src/", "stages/", "benchmark/")
    return {
        name: ([dep for dep in stage["deps"] if not dep.startswith(code)], stage["outs"])
        for name, stage in params.stages().items()
    }


def read_by(stages, values):
    """What each of some stages reads of params.yaml, by dotted name, where it holds `values`, nested."""
    flat = locks.dotted(values)
    return {stage: {key: flat[key] for key in params.declared(stage)} for stage in stages}


def document(folder, parameters):
    """The lock of some stages as a tree; `parameters` are stage -> what it read of params.yaml, by dotted name."""

    def listed(paths):
        return [{"path": path, "hash": "md5", "md5": md5(Path(folder, path))} for path in paths]

    stages = {}
    for name, values in parameters.items():
        deps, outs = map(listed, pipeline()[name])
        stages[name] = {"cmd": name, "deps": deps, "params": {"params.yaml": values}, "outs": outs}
    return {"schema": "2.0", "stages": stages}


def lock(folder, parameters):
    """Write such a lock."""
    write(folder, document(folder, parameters))


def write(folder, tree):
    (Path(folder) / "dvc.lock").write_text(yaml.safe_dump(tree, sort_keys=False))


def relocked(folder, change):
    """Change the stages in a lock."""
    tree = yaml12.read(Path(folder) / "dvc.lock")
    change(tree["stages"])
    write(folder, tree)


def slices(series, count):
    """Smooth random pictures (count, 64, 64, 3): all share a body, those of a series are nearly one picture."""
    body, own = (np.random.default_rng(seed).integers(0, high, (4, 4)) for seed, high in ((0, 200), (series + 1, 56)))
    scan = Image.fromarray((body + own).astype("uint8")).resize((64, 64), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(series).integers(-6, 7, (count, 64, 64))
    return np.repeat(np.clip(np.asarray(scan, int) + noise, 0, 255).astype("uint8")[..., None], 3, axis=3)
