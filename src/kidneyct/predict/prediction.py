"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

import errno
import io
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from kidneyct.files.rounding import rounded
from kidneyct.images import decoding, grey, window
from kidneyct.images.archive import SUFFIXES
from kidneyct.images.container import LARGEST
from kidneyct.leakage.ood_score import likeness, threshold
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import dicom

BATCH_SIZE = 16
SOFTWARE = "kidneyct predict"  # stands in every picture of maps, so that no other file is ever written over


def find(paths):
    """The image files among `paths`, each once, folders searched through and sorted; and what is amiss.

    Returns (files, problems): paths, and (path, reason) pairs. In a folder files named .jpg, .jpeg, .png or .dcm
    count, and others that begin as DICOM files do; a file named by itself is taken whatever its name.
    InputError for an empty name.
    """
    if "" in paths:
        raise InputError("predict: expected names of files or folders, found an empty one; leave it out")
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
    return (
        "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "expected a file or folder, found neither"
    )


def _inside(folder):
    """Image files in a folder and below it, sorted, and what is amiss there; links to folders are not followed."""
    files, problems = [], []

    def tell(error):
        problems.append((error.filename, error.strerror))

    for top, below, names in os.walk(folder, onerror=tell):
        links = [Path(top, name) for name in below if Path(top, name).is_symlink()]
        problems.extend((str(link), "a link to a folder, not searched; name it by itself") for link in links)
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
    if file.name.upper() == dicom.DIRECTORY:
        return False
    try:
        with file.open("rb") as opened:
            return dicom.is_dicom(opened.read(dicom.START))
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
    for file in files:
        # A DICOM file may be called by an identifier, whose last number is no suffix.
        stem = file.name if file.suffix[1:].isdecimal() else file.stem
        name, count = stem, 1
        while name.casefold() in taken:  # files of one name from several folders
            count += 1
            name = f"{stem}-{count}"
        taken.add(name.casefold())
        places[file] = folder / f"{name}.png"
    originals = {os.path.realpath(file) for file in files}
    for picture in places.values():
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
    """Put a PNG file that was drawn into the place of a picture, whole; OSError where that can't be.

    It says in it that it was written here: only such a one, or nothing, is ever in that place before.
    """
    mark, content = PngImagePlugin.PngInfo(), io.BytesIO()
    mark.add_text("Software", SOFTWARE)
    with Image.open(drawn) as opened:
        opened.save(content, "PNG", pnginfo=mark)
    partial = picture.with_name(f".kidneyct-{os.getpid()}.png")  # another process may draw the same picture
    partial.unlink(missing_ok=True)
    try:
        with partial.open("xb") as file:
            file.write(content.getvalue())
        if os.path.lexists(picture) and not _kept(picture):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(picture))
        partial.replace(picture)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(picture)) from None
    finally:
        partial.unlink(missing_ok=True)


def limit_of(workspace):
    """The `threshold` of a workspace's training images, None where it has none of these."""
    if workspace.threshold is None and workspace.thumbnails is not None:
        return threshold(workspace.thumbnails, workspace.series)
    return workspace.threshold


def read(path, image_size, chosen=window.FILE, greys="file"):
    """A file as the pipeline sees it: tensor (s, s, 3) and thumbnail (25, 25), both uint8; InputError names it.

    `chosen` and `greys` as `seen` has them.
    """
    try:
        size = Path(path).stat().st_size
        if size > LARGEST:
            raise InputError(f"{path}: expected an image, found {size / 2**20:,.0f} MiB; remove it or make it smaller")
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    return seen(content, str(path), image_size, chosen, greys)


def seen(content, name, image_size, chosen=window.FILE, greys="file"):
    """A file's bytes as the pipeline sees them: tensor (s, s, 3) and thumbnail (25, 25), both uint8.

    DICOM and pictures of 16 bits are seen through `chosen`, the run's `preprocess.window`; `greys` is its
    `preprocess.grey`. InputError, naming the image, where they are none.
    """
    as_dicom = dicom.is_dicom(content) or Path(name).suffix.lower() == dicom.SUFFIX
    picture = (dicom.picture if as_dicom else decoding.decode)(content, name, chosen=chosen)
    picture = grey.seen(picture, greys)
    return decoding.tensor(picture, image_size), decoding.thumbnail(picture)


def predict(workspace, network, files, explain=None):
    """Yield (file, result) for each file: a dict, or the text of an InputError where it can't be read.

    A result holds class, probability, probabilities (by class), likeness and unlike; the last two are None where an
    exported model has no thumbnails. `explain(files, tensors, results)` is called with each batch, where given, after
    its results. Memory is bounded by the batch.
    """
    limit = limit_of(workspace)
    for start in range(0, len(files), BATCH_SIZE):
        outcomes, tensors, thumbnails = {}, [], []
        for file in files[start : start + BATCH_SIZE]:
            try:
                tensor, thumbnail = read(file, workspace.image_size, workspace.window, workspace.grey)
            except InputError as error:
                outcomes[file] = str(error)
                continue
            outcomes[file] = None  # keeps the files' order
            tensors.append(tensor)
            thumbnails.append(thumbnail)
        readable = [file for file, outcome in outcomes.items() if outcome is None]
        if readable:
            pixels = np.stack(tensors)  # (b, s, s, 3)
            results = classify(workspace, network, pixels, np.stack(thumbnails), limit)
            outcomes |= dict(zip(readable, results, strict=True))
        yield from outcomes.items()
        if readable and explain:
            explain(readable, pixels, [outcomes[file] for file in readable])


def classify(workspace, network, pixels, thumbnails, limit):
    """The result of each image of a batch, as `predict` yields it: pixels (b, s, s, 3), thumbnails (b, 25, 25).

    `limit` is the `threshold`. InputError where the model gives no numbers.
    """
    probabilities = np.asarray(network.predict_on_batch(pixels), float)  # (b, classes)
    if not np.isfinite(probabilities).all():
        raise InputError(f"{workspace.weights}: the model gives no numbers; train it again with other parameters")
    training = workspace.thumbnails
    alike = [None] * len(pixels) if training is None else likeness(thumbnails, training)  # (b,)
    return [
        _result(workspace.classes, row, correlation, limit)
        for row, correlation in zip(probabilities, alike, strict=True)
    ]


def _result(classes, probabilities, correlation, limit):
    return {
        "class": classes[probabilities.argmax()],
        "probability": rounded(probabilities.max()),
        "probabilities": rounded(dict(zip(classes, probabilities, strict=True))),
        "likeness": None if correlation is None else rounded(correlation, 4),
        "unlike": None if correlation is None else bool(correlation < limit),
    }
