"""dvc.lock of a finished run, written over files that lie in a folder."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from kidneyct.images import decoding
from kidneyct.pipeline import lock as locks
from kidneyct.pipeline import params, yaml12

CLASSES = ["Cyst", "Normal", "Stone", "Tumor"]
SIDE = 32
PARAMETERS = {
    "data.classes": CLASSES,
    "model.dense_units": 4,
    "model.pixel_scaling": "unit",
    "model.normalize": "none",
}

# stage -> (what it read, what it wrote), as dvc.yaml has them for the stages that a model comes from
SHARED = {
    "preprocess": (["data/archive.zip"], ["data/images"]),
    "series": (["data/images"], ["data/series.csv"]),
    "split": (["data/images", "data/series.csv"], ["data/split.csv"]),
}


def of_roles(*roles):
    """The stages of a run of these roles."""
    stages = dict(SHARED)
    for role in roles:
        stages[f"features@{role}"] = (["data/images"], [f"data/features/{role}"])
        stages[f"train@{role}"] = (["data/images", f"data/features/{role}", "data/split.csv"], [f"models/{role}"])
    return stages


CHAIN = of_roles("candidate")


def md5(path):
    """The MD5 of a file or folder, or of its name where it is not there."""
    return locks.digest(path) if path.exists() else hashlib.md5(path.name.encode()).hexdigest()


def pipeline():
    """All stages of dvc.yaml, as CHAIN has some of them."""
    found = {}
    for name, entry in yaml12.read("dvc.yaml")["stages"].items():
        for role in entry.get("foreach", [""]):
            body = entry.get("do", entry)
            outs = [
                out if isinstance(out, str) else next(iter(out)) for out in [*body["outs"], *body.get("metrics", [])]
            ]
            deps = [dep for dep in body["deps"] if not dep.startswith(("src/", "stages/", "benchmark/"))]
            found[f"{name}@{role}".rstrip("@")] = tuple(
                [path.replace("${item}", role).replace("${key}", role) for path in paths] for paths in (deps, outs)
            )
    return found


def read_by(stages, values):
    """What each of some stages reads of params.yaml, by dotted name, where it holds `values`, nested."""
    flat = locks.dotted(values)
    return {stage: {key: flat[key] for key in params.declared(stage)} for stage in stages}


def document(folder, parameters, chain=CHAIN):
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


def slices(series, count):
    """Smooth random pictures (count, 64, 64, 3): all share a body, those of a series are nearly one picture."""
    body, own = (np.random.default_rng(seed).integers(0, high, (4, 4)) for seed, high in ((0, 200), (series + 1, 56)))
    scan = Image.fromarray((body + own).astype("uint8")).resize((64, 64), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(series).integers(-6, 7, (count, 64, 64))
    return np.repeat(np.clip(np.asarray(scan, int) + noise, 0, 255).astype("uint8")[..., None], 3, axis=3)


def run(folder, roles=("candidate",), parameters=None):
    """A finished run: four series of four images, and an untrained network as each role's model; returns these by role.

    `parameters` are stage -> what it read beside what a prediction needs.
    """
    from kidneyct.backbone import vgg
    from kidneyct.classifier import classifier

    (folder / "data/images").mkdir(parents=True)
    pictures = np.concatenate([slices(number, 4) for number in range(4)])
    np.save(
        folder / "data/images/thumbnails.npy",
        np.stack([decoding.thumbnail(Image.fromarray(picture)) for picture in pictures]),
    )
    labels = np.repeat(CLASSES, 4)
    table = pd.DataFrame({"image": [f"{label}/{n}.png" for n, label in enumerate(labels)], "label": labels})
    table.assign(split="train").to_csv(folder / "data/split.csv", index=False)
    table[["image"]].assign(series=np.repeat(range(4), 4)).to_csv(folder / "data/series.csv", index=False)
    networks = {}
    for seed, role in enumerate(roles, start=3):
        (folder / "models" / role).mkdir(parents=True)
        networks[role] = classifier.network(vgg.base(SIDE), 4, 4, "unit", seed=seed)
        networks[role].save_weights(folder / f"models/{role}/model.weights.h5")
    read = {"preprocess": {"preprocess.image_size": SIDE}} | {f"train@{role}": PARAMETERS for role in roles}
    lock(folder, read | (parameters or {}), of_roles(*roles))
    return networks
