"""What of a finished run predictions need: what it was run with, not what params.yaml says by now."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kidneyct import arrays, index, yaml12
from kidneyct.errors import InputError


class Workspace(NamedTuple):
    """A role's trained model and the images that it was trained on, as dvc.lock knows them."""

    weights: Path
    classes: list
    image_size: int
    dense_units: int
    pixel_scaling: str
    normalize: str
    thumbnails: np.ndarray  # (n, 25, 25) uint8, the training images'
    series: np.ndarray  # (n,) int, theirs too


def read(folder, role):
    """The finished run in a folder; InputError says what is missing and how to get it."""
    folder = Path(folder)
    lock = folder / "dvc.lock"
    if not lock.exists():
        raise InputError(f"{lock}: not there; give the folder of a finished run with --workspace, or run dvc repro")
    stages = (yaml12.read(lock) or {}).get("stages", {})
    train, preprocess = stages.get(f"train@{role}"), stages.get("preprocess")
    if not (train and preprocess):
        raise InputError(f"{lock}: expected a finished stage train@{role}, found none; run dvc repro")
    used = train["params"]["params.yaml"] | preprocess["params"]["params.yaml"]
    weights = f"models/{role}/model.weights.h5"
    try:
        table = index.read(folder / "data/split.csv")
        series = index.read_series(folder / "data/series.csv")
        index.same_rows({folder / "data/split.csv": table, folder / "data/series.csv": series})
        thumbnails = arrays.thumbnails(folder / "data/thumbnails.npy", len(table))
        with (folder / weights).open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: not there; run dvc repro, or dvc pull where it was run before") from None
    if digest not in [out["md5"] for out in train["outs"] if out["path"] == weights]:
        raise InputError(
            f"{folder / weights}: not the file that dvc.lock knows; run dvc checkout for the model of this commit, "
            "or dvc repro for a new one"
        )
    rows = index.rows(table, "train")
    return Workspace(
        folder / weights,
        used["data.classes"],
        used["preprocess.image_size"],
        used["model.dense_units"],
        used["model.pixel_scaling"],
        used["model.normalize"],
        thumbnails[rows],
        series[rows],
    )
