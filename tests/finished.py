"""dvc.lock of a finished run, written over files that lie in a folder."""

import hashlib
from pathlib import Path

import yaml

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


def document(folder, parameters):
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
        for name, (deps, outs) in CHAIN.items()
    }
    return {"schema": "2.0", "stages": stages}


def lock(folder, parameters):
    """Write the lock; returns it as a tree."""
    tree = document(folder, parameters)
    write(folder, tree)
    return tree


def write(folder, tree):
    (Path(folder) / "dvc.lock").write_text(yaml.safe_dump(tree, sort_keys=False))
