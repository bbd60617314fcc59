"""dvc.lock of a finished run, written over files that lie in a folder."""

import hashlib
from pathlib import Path

import yaml

from kidneyct import params, yaml12
from kidneyct.runs import lock as locks

# stage -> (what it read, what it wrote), as dvc.yaml has them for the stages that a model comes from
CHAIN = {
    "preprocess": (["data/archive.zip"], ["data/images.npy", "data/thumbnails.npy", "data/index.csv"]),
    "series": (["data/index.csv", "data/thumbnails.npy"], ["data/series.csv"]),
    "split": (["data/index.csv", "data/series.csv"], ["data/split.csv"]),
    "initialize@candidate": ([], ["models/candidate/initial.weights.h5"]),
    "features@candidate": (
        ["data/images.npy", "models/candidate/initial.weights.h5"],
        ["data/features/candidate.npy"],
    ),
    "train@candidate": (
        [
            "data/images.npy",
            "data/features/candidate.npy",
            "data/split.csv",
            "models/candidate/initial.weights.h5",
        ],
        ["models/candidate/model.weights.h5", "plots/candidate/history.csv"],
    ),
}


def md5(path):
    """The MD5 of a file, or of its name where it is not there."""
    return hashlib.md5(path.read_bytes() if path.exists() else str(path.name).encode()).hexdigest()


def pipeline():
    """All stages of dvc.yaml, as CHAIN has some of them."""
    found = {}
    for name, entry in yaml12.read("dvc.yaml")["stages"].items():
        for role in entry.get("foreach", [""]):
            body = entry.get("do", entry)
            outs = [
                out if isinstance(out, str) else next(iter(out)) for out in [*body["outs"], *body.get("metrics", [])]
            ]
            deps = [dep for dep in body["deps"] if not dep.startswith(("src/", "stages/"))]
            found[f"{name}@{role}".rstrip("@")] = tuple(
                [path.replace("${item}", role).replace("${key}", role) for path in paths] for paths in (deps, outs)
            )
    return found


def read_by(stages, values):
    """What each of some stages reads of params.yaml, by dotted name, where it holds `values`, nested."""
    flat = locks.dotted(values)
    return {stage: {key: flat[key] for key in params.declared(stage)} for stage in stages}


def document(folder, parameters, chain):
    """The lock as a tree; `parameters` are stage -> what it read of params.yaml, by dotted name."""

    def listed(paths):
        return [{"path": path, "hash": "md5", "md5": md5(Path(folder, path))} for path in paths]

    stages = {
        name: {
            "cmd": name,
            "deps": listed(deps),
            "params": {"params.yaml": parameters.get(name, {})},
            "outs": listed(outs),
        }
        for name, (deps, outs) in chain.items()
    }
    return {"schema": "2.0", "stages": stages}


def lock(folder, parameters, chain=CHAIN):
    """Write the lock; returns it as a tree."""
    tree = document(folder, parameters, chain)
    write(folder, tree)
    return tree


def write(folder, tree):
    (Path(folder) / "dvc.lock").write_text(yaml.safe_dump(tree, sort_keys=False))
