"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from kidneyct.data import images, series, split
from kidneyct.data.archive import SUFFIXES
from kidneyct.errors import InputError

BATCH_SIZE = 16
PERCENTILE = 1  # of the training images that lie below the threshold of likeness


class Workspace(NamedTuple):
    """What of a finished run predictions need: what it was run with, not what params.yaml says by now."""

    weights: Path
    classes: list
    image_size: int
    dense_units: int
    pixel_scaling: str
    thumbnails: np.ndarray  # (n, 25, 25) uint8, the training images'
    threshold: float  # of likeness


def find(paths):
    """The image files among `paths`, each once, folders searched through and sorted; and what is amiss.

    Returns (files, problems): paths, and (path, reason) pairs. In a folder only files named .jpg, .jpeg or .png
    count; a file named by itself is taken whatever its name.
    """
    files, problems = [], []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
            files += found
            if not found:
                problems.append((str(path), f"no image in this folder ({', '.join(sorted(SUFFIXES))})"))
        elif path.is_file():
            files.append(path)
        else:
            problems.append((str(path), "no such file or folder"))
    return list(dict.fromkeys(files)), problems


def pictures(files, folder):
    """Where the picture of each file goes, file -> path in `folder`, which is made: NAME.png, NAME-2.png, ….

    InputError where that would overwrite one of the files.
    """
    folder, found, taken = Path(folder), {}, set()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--explain {folder}: expected a folder, found a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--explain {folder}: can't be made ({error.strerror}); choose another folder") from None
    for file in files:
        name, count = file.stem, 1
        while name in taken:  # files of one name from several folders
            count += 1
            name = f"{file.stem}-{count}"
        taken.add(name)
        found[file] = folder / f"{name}.png"
    images = {file.resolve() for file in files}
    for picture in found.values():
        if picture.resolve() in images:
            raise InputError(f"--explain {folder}: {picture} is one of the images; choose another folder")
    return found


def open_workspace(folder, role):
    """The finished run in a folder; InputError says what is missing and how to get it."""
    folder = Path(folder)
    if not (folder / "dvc.lock").exists():
        raise InputError(
            f"{folder / 'dvc.lock'}: not there; give the folder of a finished run with --workspace, or run dvc repro"
        )
    stages = (YAML(typ="safe", pure=True).load(folder / "dvc.lock") or {}).get("stages", {})
    stage, size = stages.get(f"train@{role}"), stages.get("preprocess")
    if not (stage and size):
        raise InputError(f"{folder / 'dvc.lock'}: expected a finished stage train@{role}, found none; run dvc repro")
    used = stage["params"]["params.yaml"] | size["params"]["params.yaml"]
    weights = f"models/{role}/model.weights.h5"
    try:
        table = split.read(folder / "data/split.csv")
        groups = pd.read_csv(folder / "data/series.csv")["series"].to_numpy()
        thumbnails = np.load(folder / "data/thumbnails.npy", mmap_mode="r")
        with (folder / weights).open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: not there; run dvc repro, or dvc pull where it was run before") from None
    if found not in [out["md5"] for out in stage["outs"] if out["path"] == weights]:
        raise InputError(
            f"{folder / weights}: not the file that dvc.lock knows; run dvc checkout for the model of this commit, "
            "or dvc repro for a new one"
        )
    rows = split.rows(table, "train")
    training = thumbnails[rows]
    return Workspace(
        folder / weights,
        used["data.classes"],
        used["preprocess.image_size"],
        used["model.dense_units"],
        used["model.pixel_scaling"],
        training,
        likeness_threshold(training, groups[rows]),
    )


def likeness(thumbnails, training):
    """Correlation of each thumbnail (n, 25, 25) with the most similar training image's, (n,)."""
    return series.nearest(thumbnails, training)[1]


def likeness_threshold(training, groups):
    """The likeness below which an image looks unlike the training images.

    Each series in turn is compared with all others, as if it were new; `PERCENTILE` per cent of the training images
    are less like the rest than this. It tells other kinds of pictures, not unusual findings: a thumbnail knows
    nothing of a lesion. Without a second series nothing is known, and nothing is called unlike.
    """
    found = [
        likeness(training[groups == group], training[groups != group])
        for group in np.unique(groups)
        if np.any(groups != group)
    ]
    return float(np.percentile(np.concatenate(found), PERCENTILE)) if found else -1.0


def read(path, image_size):
    """A file as the pipeline sees it: tensor (s, s, 3) and thumbnail (25, 25), both uint8; InputError names it."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    picture = images.decode(content, str(path))
    return images.tensor(picture, image_size), images.thumbnail(picture)


def load(workspace):
    """The role's trained network."""
    from kidneyct.network import devices, vgg

    devices.prepare(seed=0)
    size, head = workspace.image_size, (workspace.dense_units, len(workspace.classes), workspace.pixel_scaling)
    network = vgg.network(vgg.base(size), *head, seed=0)
    network.load_weights(workspace.weights)
    return network


def predict(workspace, network, files, explain=None):
    """Yield (file, result) for each file: a dict, or the text of an InputError where it can't be read.

    A result holds class, probability, probabilities (by class), likeness and unlike. `explain(files, tensors,
    results)` is called with each batch, where given. Memory is bounded by the batch.
    """
    classes = workspace.classes
    for start in range(0, len(files), BATCH_SIZE):
        outcome, tensors, thumbnails = {}, [], []
        for file in files[start : start + BATCH_SIZE]:
            try:
                tensor, thumbnail = read(file, workspace.image_size)
            except InputError as error:
                outcome[file] = str(error)
                continue
            outcome[file] = None
            tensors.append(tensor)
            thumbnails.append(thumbnail)
        readable = [file for file, text in outcome.items() if text is None]
        if readable:
            probabilities = np.asarray(network.predict_on_batch(np.stack(tensors)), float)
            alike = likeness(np.stack(thumbnails), workspace.thumbnails)
            for file, row, value in zip(readable, probabilities, alike, strict=True):
                outcome[file] = {
                    "class": classes[row.argmax()],
                    "probability": round(float(row.max()), 6),
                    "probabilities": {name: round(float(one), 6) for name, one in zip(classes, row, strict=True)},
                    "likeness": round(float(value), 4),
                    "unlike": bool(value < workspace.threshold),
                }
            if explain:
                explain(readable, np.stack(tensors), [outcome[file] for file in readable])
        yield from outcome.items()
