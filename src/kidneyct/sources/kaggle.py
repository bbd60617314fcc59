"""Fetching the data set from Kaggle, and proving that it is whole."""

import errno
import hashlib
import os
import re
import zipfile
from collections import Counter
from pathlib import Path

from kidneyct.pipeline.errors import InputError
from kidneyct.sources import kaggle_client

PUBLISHED_DATASET = "nazmul0087/ct-kidney-dataset-normal-cyst-tumor-and-stone"
# Islam et al. 2022, Scientific Reports 12:11440, table 1; 12,446 images in all.
PUBLISHED = {"Cyst": 3709, "Normal": 5077, "Stone": 1377, "Tumor": 2283}

# A name never begins with a dash, which the client would take for an option, nor with a dot.
DATASET = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*(/[1-9]\d*)?", re.ASCII)

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def folder(dataset):
    """Where a data set, owner/name or owner/name/version, is downloaded to; no other has the same place."""
    return Path("downloads", *dataset.split("/"))


def download(dataset, folder):
    """Fetch a data set's zip into `folder` and return its path; an interrupted download is resumed.

    A zip that was fetched before is proved by its SHA-256, kept beside it, and nothing is asked of Kaggle.

    `dataset` is owner/name or owner/name/version. The command `kaggle` works without an account where Kaggle
    allows it and finds the user's own token elsewhere. InputError says in one line why it failed; a partial
    download stays in `folder`, and so does the client's note of what it is a part of.
    """
    if not DATASET.fullmatch(dataset):
        raise InputError(
            f"data.kaggle: expected owner/name or owner/name/version (letters, digits, - _ and .; neither a dash nor "
            f"a dot first; the version a whole number from 1), found {dataset!r}"
        )
    path = Path(folder) / f"{dataset.split('/')[1]}.zip"
    try:
        return _download(dataset, path)
    except OSError as error:
        advice = (
            "make room there" if error.errno in FULL else "move it away, or make sure that you may read and write it"
        )
        raise InputError(
            f"{error.filename or path}: expected to keep a download from Kaggle here, found: {error.strerror}; "
            f"{advice}, and try again"
        ) from None


def _download(dataset, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _proved(path):
        print(f"{path}: fetched before and unchanged; delete it to fetch the data set anew", flush=True)
        return path
    if path.exists() and path.stat().st_nlink > 1:
        path.unlink()  # the client would write into data/archive.zip too, and into DVC's cache if that has hard links
    kaggle_client.fetch(dataset, path)
    check_zip(path)
    _prove(path)
    return path


def _record(path):
    """Where the SHA-256 of a zip that was fetched whole is kept, as `sha256sum` writes it."""
    return path.with_name(f"{path.name}.sha256")


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _proved(path):
    """Whether a zip is the one that was fetched whole; one that has changed since steps aside.

    A record without a SHA-256 proves nothing either way.
    """
    record = _record(path)
    if not (path.exists() and record.exists()):
        return False
    recorded = re.match(rb"[0-9a-f]{64}\b", record.read_bytes())
    if recorded and recorded[0].decode() == _sha256(path):
        return True
    record.unlink()
    if recorded:
        kaggle_client.step_aside(path)
    return False


def _prove(path):
    """Record the SHA-256 of a zip that was fetched whole."""
    record = _record(path)
    partial = record.with_name(f"{record.name}.partial")
    try:
        partial.write_text(f"{_sha256(path)}  {path.name}\n")
        partial.replace(record)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def check_zip(path):
    """InputError where a complete download is not a whole zip; the file steps aside, so that it is fetched anew."""
    damaged = None
    try:
        with zipfile.ZipFile(path) as container:
            bad = container.testzip()
            # A damaged list of files can end early or name a file twice, and zipfile takes it as it is.
            entries = zipfile._EndRecData(container.fp)[zipfile._ECD_ENTRIES_TOTAL]
            if bad is not None or len(set(container.namelist())) != entries:
                damaged = bad or "its list of files is damaged"
    except Exception as error:  # damaged bytes make zipfile and its decompressors raise nearly anything
        # An OSError with a number is the disk's fault, but for a place before the file's start, which a zip can name.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        damaged = str(error) or type(error).__name__
    if damaged:
        with path.open("rb") as file:
            begins = file.read(512)
        found = "a web page" if begins.lstrip().startswith(b"<") else "a truncated or altered one"
        told = "".join(letter if letter.isprintable() else "?" for letter in damaged)[:200]
        raise InputError(
            f"{path}: expected a whole zip from Kaggle, found {found} ({told}); try again, it is fetched anew (the "
            f"damaged one stays in {kaggle_client.step_aside(path)})"
        )


def check_counts(images, dataset, where):
    """InputError where the published data set has other numbers of images a class than published.

    `images` are those of `archive.images`. Another data set, or a certain version, is not checked.
    """
    found = dict(Counter(image.label for image in images))
    if dataset == PUBLISHED_DATASET and any(found.get(label) != PUBLISHED[label] for label in found):
        expected = {label: PUBLISHED.get(label) for label in found}
        raise InputError(
            f"{where}: expected {expected} images as published, found {found}; the data set has changed: name a "
            "version in data.kaggle (owner/name/version) to take it as it is"
        )
