"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

import itertools
import os
from pathlib import Path

import numpy as np

from kidneyct.files.rounding import rounded
from kidneyct.images import decoding, grey
from kidneyct.images.archive import SUFFIXES
from kidneyct.leakage.ood_score import likeness
from kidneyct.pipeline import errors
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import dicom

BATCH_SIZE = 16


def find(paths):
    """The image files among `paths`, each once, folders searched through and sorted; and what is amiss.

    Returns (files, problems): paths, and (path, reason) pairs. In a folder files named .jpg, .jpeg, .png or .dcm
    count, and others that begin as DICOM files do; a file named by itself is taken whatever its name.
    """
    found = []
    for path in map(Path, paths):
        fault = _fault(path)
        inside = _inside(path) if fault == "a folder" else [(path, fault)]
        found += inside or [(path, f"no image in this folder ({', '.join(sorted(SUFFIXES))} or DICOM)")]
    files = dict.fromkeys(file for file, fault in found if not fault)
    return list(files), [(str(file), fault) for file, fault in found if fault]


def _fault(path):
    """What is amiss with a file, None if nothing: reading a pipe or a device might never end."""
    try:
        return errors.no_file(path.stat().st_mode)
    except OSError as error:
        return error.strerror


def _inside(folder):
    """Image files in a folder and below it and what can't be searched there, sorted, each with what is amiss or None.

    Links to folders are not followed.
    """
    found = []

    def note(error):
        found.append((Path(error.filename), error.strerror))

    for top, below, names in os.walk(folder, onerror=note):
        links = [link for name in below if (link := Path(top, name)).is_symlink()]
        found += [(link, "a link to a folder, not searched; name it by itself") for link in links]
        for file in (Path(top, name) for name in names):
            fault = _fault(file)
            if file.suffix.lower() in (*SUFFIXES, dicom.SUFFIX) or (not fault and _is_dicom(file)):
                found.append((file, fault))
    return sorted(found)


def _is_dicom(file):
    """Whether a file of another name is DICOM, and no directory of such; one that can't be read is none."""
    try:
        with file.open("rb") as opened:
            return file.name.upper() != dicom.DIRECTORY and dicom.is_dicom(opened.read(dicom.START))
    except OSError:
        return False


def pictures(files, folder):
    """Where the picture of each file goes, file -> path in `folder`, which is made: NAME.png, NAME-2.png, ….

    InputError where the folder is not new or empty, so that no file is written over.
    """
    folder, places, taken = Path(folder), {}, set()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"--explain {folder}: expected a new or empty folder, found another; choose another name")
    except OSError as error:
        raise InputError(f"--explain {folder}: can't be made ({error.strerror}); choose another folder") from None
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
    as_dicom = dicom.is_dicom(content) or Path(name).suffix.lower() == dicom.SUFFIX
    picture = (dicom.picture if as_dicom else decoding.decode)(content, name, chosen=model.window)
    picture = grey.seen(picture, model.grey)
    return decoding.tensor(picture, model.image_size), decoding.thumbnail(picture)


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
            except InputError as error:
                outcomes[file] = str(error)
            except OSError as error:
                outcomes[file] = f"{file}: {error.strerror}"
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
    results = [
        {
            "class": model.classes[row.argmax()],
            "probability": rounded(row.max()),
            "probabilities": rounded(dict(zip(model.classes, row, strict=True))),
            "likeness": None,
            "unlike": None,
        }
        for row in probabilities
    ]
    if model.thumbnails is not None:
        for result, alike in zip(results, likeness(thumbnails, model.thumbnails), strict=True):
            result |= {"likeness": rounded(alike, 4), "unlike": bool(alike < model.threshold)}
    return results
