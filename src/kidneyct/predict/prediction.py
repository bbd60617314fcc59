"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

import io
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from kidneyct.files.rounding import rounded
from kidneyct.images import decoding, grey
from kidneyct.images.archive import SUFFIXES
from kidneyct.images.container import LARGEST
from kidneyct.leakage.ood_score import likeness
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import dicom

BATCH_SIZE = 16
SOFTWARE = "kidneyct predict"  # stands in every picture of maps, so that `pictures` lets no other be written over


def find(paths):
    """The image files among `paths`, each once, folders searched through and sorted; and what is amiss.

    Returns (files, problems): paths, and (path, reason) pairs. In a folder files named .jpg, .jpeg, .png or .dcm
    count, and others that begin as DICOM files do; a file named by itself is taken whatever its name.
    """
    files, problems = [], []
    for path in map(Path, paths):
        kind = _kind(path)
        if kind == "folder":
            inside, amiss = _inside(path)
            files += inside
            problems += amiss
            if not (inside or amiss):
                problems.append((str(path), f"no image in this folder ({', '.join(sorted(SUFFIXES))} or DICOM)"))
        elif kind == "file":
            files.append(path)
        else:
            problems.append((str(path), kind))
    return list(dict.fromkeys(files)), problems


def _kind(path):
    """ "file", "folder", or what is amiss: reading a pipe or a device might never end."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "no such file or folder"
    except OSError as error:
        return error.strerror
    kinds = {stat.S_IFDIR: "folder", stat.S_IFREG: "file"}
    return kinds.get(stat.S_IFMT(mode), "expected a file or folder, found neither")


def _inside(folder):
    """Image files in a folder and below it, sorted, and what is amiss there; links to folders are not followed."""
    files, problems = [], []

    def note(error):
        problems.append((error.filename, error.strerror))

    for top, below, names in os.walk(folder, onerror=note):
        links = [Path(top, name) for name in below if Path(top, name).is_symlink()]
        problems += [(str(link), "a link to a folder, not searched; name it by itself") for link in links]
        for file in (Path(top, name) for name in names):
            kind = _kind(file)
            if file.suffix.lower() in (*SUFFIXES, dicom.SUFFIX) or (kind == "file" and _is_dicom(file)):
                if kind == "file":
                    files.append(file)
                else:
                    problems.append((str(file), kind))
    return sorted(files), sorted(problems)


def _is_dicom(file):
    """Whether a file of another name is DICOM, and no directory of such; one that can't be read is none."""
    try:
        with file.open("rb") as opened:
            return file.name.upper() != dicom.DIRECTORY and dicom.is_dicom(opened.read(dicom.START))
    except OSError:
        return False


def pictures(files, folder):
    """Where the picture of each file goes, file -> path in `folder`, which is made: NAME.png, NAME-2.png, ….

    InputError where that would overwrite one of the files, or a file that `keep` has not written.
    """
    folder, places, taken = Path(folder), {}, set()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--explain {folder}: expected a folder, found a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--explain {folder}: can't be made ({error.strerror}); choose another folder") from None
    originals = {os.path.realpath(file) for file in files}
    for file in files:
        # A DICOM file may be called by an identifier, whose last number is no suffix.
        stem = name = file.name if file.suffix[1:].isdecimal() else file.stem
        count = 1
        while name.casefold() in taken:  # files of one name from several folders
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        places[file] = picture = folder / f"{name}.png"
        if os.path.realpath(picture) in originals:  # Path.resolve raises where links go in a circle
            raise InputError(f"--explain {folder}: {picture} is one of the images; choose another folder")
        if os.path.lexists(picture) and not _kept(picture):
            raise InputError(f"--explain {folder}: {picture} is there and no picture of maps; choose another folder")
    return places


def _kept(picture):
    """Whether `keep` has written this file."""
    if picture.is_symlink() or not picture.is_file():
        return False
    try:
        with Image.open(picture, formats=["PNG"]) as opened:
            return opened.info.get("Software") == SOFTWARE
    except Exception:  # a damaged file can make a decoder fail in any way
        return False


def keep(drawn, picture):
    """Put a PNG file that was drawn into the place of a picture, whole, marked as written here; OSError if it can't."""
    mark, content = PngImagePlugin.PngInfo(), io.BytesIO()
    mark.add_text("Software", SOFTWARE)
    with Image.open(drawn) as opened:
        opened.save(content, "PNG", pnginfo=mark)
    partial = picture.with_name(f".kidneyct-{os.getpid()}.png")  # another process may draw the same picture
    try:
        partial.write_bytes(content.getvalue())
        partial.replace(picture)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(picture)) from None
    finally:
        partial.unlink(missing_ok=True)


def read(path, model):
    """A file as `seen` gives its bytes; InputError names it."""
    try:
        size = Path(path).stat().st_size
        if size > LARGEST:
            raise InputError(f"{path}: expected an image, found {size / 2**20:,.0f} MiB; remove it or make it smaller")
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return seen(content, str(path), model)


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
                images[file] = read(file, model)
            except InputError as error:
                outcomes[file] = str(error)
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
