"""Predictions for images outside the study: which files, which class, and do they look like the training images?"""

import io
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from kidneyct.data import images
from kidneyct.data.archive import SUFFIXES
from kidneyct.data.likeness import likeness, threshold
from kidneyct.errors import InputError
from kidneyct.rounding import rounded

BATCH_SIZE = 16
SOFTWARE = "kidneyct predict"  # stands in every picture of maps, so that no other file is ever written over


def find(paths):
    """The image files among `paths`, each once, folders searched through and sorted; and what is amiss.

    Returns (files, problems): paths, and (path, reason) pairs. In a folder only files named .jpg, .jpeg or .png
    count; a file named by itself is taken whatever its name. InputError for an empty name.
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
                problems.append((str(path), f"no image in this folder ({', '.join(sorted(SUFFIXES))})"))
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
            if file.suffix.lower() in SUFFIXES:
                kind = _kind(file)
                if kind == "file":
                    files.append(file)
                else:
                    problems.append((str(file), kind))
    return sorted(files), sorted(problems)


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
        name, count = file.stem, 1
        while name.casefold() in taken:  # files of one name from several folders
            count += 1
            name = f"{file.stem}-{count}"
        taken.add(name.casefold())
        places[file] = folder / f"{name}.png"
    originals = {file.resolve() for file in files}
    for picture in places.values():
        if picture.resolve() in originals:
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
    if _kept(picture):
        picture.unlink()
    with picture.open("xb") as file:
        try:
            file.write(content.getvalue())
            file.flush()
        except BaseException:
            picture.unlink()
            raise


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
    results)` is called with each batch, where given, after its results. Memory is bounded by the batch.
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
            if not np.isfinite(probabilities).all():
                raise InputError(
                    f"{workspace.weights}: the model gives no numbers; train it again with other parameters"
                )
            alike = likeness(np.stack(thumbnails), workspace.thumbnails)  # (b,)
            for file, row, correlation in zip(readable, probabilities, alike, strict=True):
                outcomes[file] = _result(workspace.classes, row, correlation, limit)
        yield from outcomes.items()
        if readable and explain:
            explain(readable, pixels, [outcomes[file] for file in readable])


def _result(classes, probabilities, correlation, limit):
    return {
        "class": classes[probabilities.argmax()],
        "probability": rounded(probabilities.max()),
        "probabilities": rounded(dict(zip(classes, probabilities, strict=True))),
        "likeness": rounded(correlation, 4),
        "unlike": bool(correlation < limit),
    }
