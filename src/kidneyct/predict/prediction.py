"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

import contextlib
import itertools
import os
from pathlib import Path

import numpy as np

from kidneyct.files.atomic import new_folder
from kidneyct.files.rounding import rounded
from kidneyct.images import container, decoding, grey
from kidneyct.images.archive import MASKS, SUFFIXES
from kidneyct.leakage.overlap import likeness
from kidneyct.pipeline import errors
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import dicom

BATCH_SIZE = 16


def find(paths):
    """The image files among `paths`, each once, folders searched through and sorted; and what is amiss.

    Returns (files, problems): paths, and (path, reason) pairs. In a folder files of archive.SUFFIXES or .dcm count,
    and others that begin as DICOM files do; a file named by itself is taken whatever its name.
    """
    files, problems = {}, []
    for path in map(Path, paths):
        try:
            inside = _inside(path) if os.path.isdir(path) else [path]
        except InputError as error:
            problems.append((str(path), str(error).removeprefix(f"{path}: ")))
            continue
        if not inside:
            problems.append((str(path), f"no image in this folder ({', '.join(sorted(SUFFIXES))} or DICOM)"))
        faults = {file: _fault(file) for file in inside}
        problems += [(str(file), fault) for file, fault in faults.items() if fault]
        files |= {file: None for file, fault in faults.items() if not fault}
    return list(files), problems


def _inside(folder):
    """Image files in a folder and below it, sorted, but no lesion masks; InputError where not all can be searched."""
    with container.opened(folder) as opened:
        files = sorted(folder / name for name in opened.names if MASKS not in Path(name).parts)
    files = [file for file in files if not file.name.startswith(".")]  # macOS's notes beside them
    return [file for file in files if file.suffix.lower() in (*SUFFIXES, dicom.SUFFIX) or _is_dicom(file)]


def _fault(path):
    """What is amiss with a file, None if nothing: reading a pipe or a device might never end."""
    try:
        return errors.no_file(path.stat().st_mode)
    except OSError as error:
        return error.strerror


def _is_dicom(file):
    """Whether a file of another name is DICOM, and no directory of such; one that can't be read is none."""
    if file.name.upper() == dicom.DIRECTORY or _fault(file):
        return False
    with contextlib.suppress(OSError), file.open("rb") as opened:
        return dicom.is_dicom(opened.read(dicom.START))


def pictures(files, folder):
    """Where the picture of each file goes, file -> path in `folder`, which is made: NAME.png, NAME-2.png, ….

    InputError where the folder is not new or empty.
    """
    folder, places, taken = new_folder(folder, f"--explain {folder}"), {}, set()
    for file in files:
        # A DICOM file may be called by an identifier, whose last number is no suffix.
        stem = file.name if file.suffix[1:].isdecimal() else file.stem
        names = itertools.chain([stem], (f"{stem}-{count}" for count in itertools.count(2)))
        name = next(name for name in names if name.casefold() not in taken)  # files of several folders share one
        taken.add(name.casefold())
        places[file] = folder / f"{name}.png"
    return places


def seen(content, name, model):
    """A file's bytes as a TrainedModel's run saw its images: tensor (s, s, 3) and thumbnail (25, 25), both uint8.

    InputError, naming the image, where they are none.
    """
    given = model.settings
    as_dicom = dicom.is_dicom(content) or Path(name).suffix.lower() == dicom.SUFFIX
    picture = (dicom.picture if as_dicom else decoding.decode)(content, name, window=given.window)
    picture = grey.seen(picture, given.grey)
    return decoding.tensor(picture, given.image_size), decoding.thumbnail(picture)


def predict(model, network, files, explain=None):
    """Yield (file, result) for each file: a dictionary, or the text of an InputError where it can't be read.

    A result holds class, probability, probabilities (by class), likeness and unlike; the last two are None where an
    exported model has no thumbnails. `explain(files, tensors, results)` is called with each batch, where given, after
    its results. Memory is bounded by the batch.
    """
    for start in range(0, len(files), BATCH_SIZE):
        outcomes, images = {}, {}
        for file in files[start : start + BATCH_SIZE]:
            outcomes[file] = None  # keeps the files' order
            try:
                images[file] = seen(file.read_bytes(), str(file), model)
            except (InputError, OSError) as error:
                outcomes[file] = errors.reason(error) if isinstance(error, OSError) else str(error)
        if images:
            tensors, thumbnails = map(np.stack, zip(*images.values(), strict=True))  # (b, s, s, 3), (b, 25, 25)
            outcomes |= dict(zip(images, classify(model, network, tensors, thumbnails), strict=True))
        yield from outcomes.items()
        if images and explain:
            explain(list(images), tensors, [outcomes[file] for file in images])


def classify(model, network, pixels, thumbnails):
    """The result of each image of a batch, as `predict` yields it: pixels (b, s, s, 3), thumbnails (b, 25, 25).

    InputError where the model gives no numbers.
    """
    probabilities = np.asarray(network.predict_on_batch(pixels), float)  # (b, classes)
    if not np.isfinite(probabilities).all():
        raise InputError(f"{model.weights}: the model gives no numbers; train it again with other parameters")
    told = model.thumbnails is not None
    alike = likeness(thumbnails, model.thumbnails) if told else np.zeros(len(pixels))
    return [
        {
            "class": model.settings.classes[row.argmax()],
            "probability": rounded(row.max()),
            "probabilities": rounded(dict(zip(model.settings.classes, row, strict=True))),
            "likeness": rounded(like, 4) if told else None,
            "unlike": bool(like < model.threshold) if told else None,
        }
        for row, like in zip(probabilities, alike, strict=True)
    ]
