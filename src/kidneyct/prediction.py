"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from kidneyct import images, params, series, split
from kidneyct.archive import SUFFIXES
from kidneyct.errors import InputError

BATCH_SIZE = 16
PERCENTILE = 1  # of the training images that lie below the threshold of likeness


class Workspace(NamedTuple):
    """What of a finished run predictions need."""

    folder: Path
    role: str
    parameters: params.Params
    thumbnails: np.ndarray  # (n, 25, 25) uint8, the training images'
    threshold: float  # of likeness

    @property
    def weights(self):
        return self.folder / "models" / self.role / "model.weights.h5"


def find(paths):
    """The image files among `paths`, folders searched through, sorted within each; and what is amiss.

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
    return files, problems


def open_workspace(folder, role):
    """The finished run in a folder; InputError says what is missing and how to get it."""
    folder = Path(folder)
    if not (folder / "params.yaml").exists():
        raise InputError(f"{folder / 'params.yaml'}: not there; give the folder of a finished run with --workspace")
    parameters = params.validate(folder / "params.yaml")
    try:
        table = split.read(folder / "data/split.csv")
        groups = pd.read_csv(folder / "data/series.csv")["series"].to_numpy()
        thumbnails = np.load(folder / "data/thumbnails.npy", mmap_mode="r")
        (folder / "models" / role / "model.weights.h5").stat()
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: not there; run dvc repro, or dvc pull where it was run before") from None
    rows = split.rows(table, "train")
    training = thumbnails[rows]
    return Workspace(folder, role, parameters, training, likeness_threshold(training, groups[rows]))


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
    from kidneyct import devices, vgg

    devices.prepare(seed=0)
    p = workspace.parameters
    base = vgg.base(p.preprocess.image_size)
    network = vgg.network(base, p.model.dense_units, len(p.data.classes), p.model.pixel_scaling, seed=0)
    try:
        network.load_weights(workspace.weights)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{workspace.weights}: does not fit params.yaml ({' '.join(str(error).split())[:160]}); run dvc repro"
        ) from None
    return network


def predict(workspace, network, files, explain=None):
    """Yield (file, result) for each file: a dict, or the text of an InputError where it can't be read.

    A result holds class, probability, probabilities (by class), likeness and unlike. `explain(files, tensors,
    results)` is called with each batch, where given. Memory is bounded by the batch.
    """
    classes = workspace.parameters.data.classes
    for start in range(0, len(files), BATCH_SIZE):
        outcome, tensors, thumbnails = {}, [], []
        for file in files[start : start + BATCH_SIZE]:
            try:
                tensor, thumbnail = read(file, workspace.parameters.preprocess.image_size)
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
