"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

from pathlib import Path

import numpy as np

from kidneyct.data import images, series
from kidneyct.data.archive import SUFFIXES
from kidneyct.errors import InputError
from kidneyct.rounding import rounded

BATCH_SIZE = 16
PERCENTILE = 1  # of the training images that lie below the threshold of likeness


def find(paths):
    """The image files among `paths`, each once, folders searched through and sorted; and what is amiss.

    Returns (files, problems): paths, and (path, reason) pairs. In a folder only files named .jpg, .jpeg or .png
    count; a file named by itself is taken whatever its name.
    """
    files, problems = [], []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            files += inside
            if not inside:
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
    folder, places, taken = Path(folder), {}, set()
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
        places[file] = folder / f"{name}.png"
    originals = {file.resolve() for file in files}
    for picture in places.values():
        if picture.resolve() in originals:
            raise InputError(f"--explain {folder}: {picture} is one of the images; choose another folder")
    return places


def likeness(thumbnails, training):
    """Correlation of each thumbnail (n, 25, 25) with the most similar training image's, (n,)."""
    return series.nearest(thumbnails, training)[1]


def threshold(training, numbers):
    """The likeness below which an image looks unlike the training images, thumbnails (n, 25, 25) of series (n,).

    Each series in turn is compared with all others, as if it were new; `PERCENTILE` per cent of the training images
    are less like the rest than this. It tells other kinds of pictures, not unusual findings: a thumbnail knows
    nothing of a lesion. Without a second series nothing is known, and nothing is called unlike.
    """
    across = [
        likeness(training[numbers == number], training[numbers != number])
        for number in np.unique(numbers)
        if np.any(numbers != number)
    ]
    return float(np.percentile(np.concatenate(across), PERCENTILE)) if across else -1.0


def read(path, image_size):
    """A file as the pipeline sees it: tensor (s, s, 3) and thumbnail (25, 25), both uint8; InputError names it."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    picture = images.decode(content, str(path))
    return images.tensor(picture, image_size), images.thumbnail(picture)


def predict(workspace, network, files, explain=None):
    """Yield (file, result) for each file: a dict, or the text of an InputError where it can't be read.

    A result holds class, probability, probabilities (by class), likeness and unlike. `explain(files, tensors,
    results)` is called with each batch, where given. Memory is bounded by the batch.
    """
    limit = threshold(workspace.thumbnails, workspace.series)
    for start in range(0, len(files), BATCH_SIZE):
        outcomes, tensors, thumbnails = {}, [], []
        for file in files[start : start + BATCH_SIZE]:
            try:
                tensor, thumbnail = read(file, workspace.image_size)
            except InputError as error:
                outcomes[file] = str(error)
                continue
            outcomes[file] = None  # keeps the files' order
            tensors.append(tensor)
            thumbnails.append(thumbnail)
        readable = [file for file, outcome in outcomes.items() if outcome is None]
        if readable:
            pixels = np.stack(tensors)  # (b, s, s, 3)
            probabilities = np.asarray(network.predict_on_batch(pixels), float)  # (b, classes)
            alike = likeness(np.stack(thumbnails), workspace.thumbnails)  # (b,)
            for file, row, correlation in zip(readable, probabilities, alike, strict=True):
                outcomes[file] = _result(workspace.classes, row, correlation, limit)
            if explain:
                explain(readable, pixels, [outcomes[file] for file in readable])
        yield from outcomes.items()


def _result(classes, probabilities, correlation, limit):
    return {
        "class": classes[probabilities.argmax()],
        "probability": rounded(probabilities.max()),
        "probabilities": rounded(dict(zip(classes, probabilities, strict=True))),
        "likeness": rounded(correlation, 4),
        "unlike": bool(correlation < limit),
    }
