"""A folder or a zip that somebody else made: which files lie in it, and their bytes, without trust in either."""

import contextlib
import os
import re
import unicodedata
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kidneyct.pipeline.errors import InputError, no_file, shown

UTF_8 = 0x800  # a zip's flag
LARGEST = 512 * 2**20  # bytes of one file; an image or a mask has less


class Container(NamedTuple):
    names: list  # of all files, sorted, with / between folders
    read: callable  # name -> bytes; InputError names the file


@contextlib.contextmanager
def opened(path):
    """The Container of a folder or zip; InputError where it is neither, or nothing that should be unpacked."""
    if os.path.isdir(path):
        yield Container(sorted(_walk(path)), lambda name: _from_folder(path, name))
    else:
        with _zip(path) as (members, file):
            yield Container(sorted(members), lambda name: _from_zip(file, path, name, members[name]))


def _walk(top):
    """Names of all that is no folder, below `top`; links to folders are followed, each folder only once."""

    def refuse(error):
        raise InputError(f"{shown(error.filename)}: can't be read ({error.strerror}); change its permissions")

    seen, found = set(), []
    for folder, folders, files in os.walk(top, onerror=refuse, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort(key=lambda name: (os.path.islink(os.path.join(folder, name)), name))
        found += [(Path(folder) / name).relative_to(top).as_posix() for name in files]
    return found


def _from_folder(folder, name):
    path, where = Path(folder) / name, f"{shown(folder)}: {shown(name)}"
    try:
        status = path.stat()
        if kind := no_file(status.st_mode):
            raise InputError(f"{where}: expected a file, found {kind}; remove it")
        _check_size(where, status.st_size)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: can't be read ({error.strerror}); change its permissions or remove it") from None


def _check_size(where, size):
    if size > LARGEST:
        raise InputError(f"{where}: expected an image, found {size / 2**20:,.0f} MiB; remove it or make it smaller")


@contextlib.contextmanager
def _zip(path):
    """The members of a zip, name -> ZipInfo, and the open file."""
    try:
        if kind := no_file(os.stat(path).st_mode):
            raise InputError(f"{shown(path)}: expected a folder or zip, found {kind}")
        file = zipfile.ZipFile(path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{shown(path)}: can't be read ({error.strerror or error}); change that") from None
    except Exception as error:  # damage can make it fail in any way
        raise InputError(f"{shown(path)}: no zip, or a truncated one ({shown(error)}); fetch it again") from None
    with file:
        members = {}
        for info in file.infolist():
            name = _name(info, path)
            if ".." in PurePosixPath(name).parts or re.match("/|[A-Za-z]:/", name):
                raise InputError(f"{shown(path)}: expected files inside the zip, found {shown(name)}; pack it again")
            if name in members:
                raise InputError(f"{shown(path)}: expected different names, found {shown(name)} twice; keep one")
            if not name.endswith("/"):
                members[name] = info
        yield members, file


def _name(info, path):
    """A member's name, with / between folders; UTF-8 also where its packer did not say so."""
    name = info.filename.replace("\\", "/")  # as Windows writes them
    if info.flag_bits & UTF_8 or name.isascii():
        return name
    with contextlib.suppress(UnicodeError):
        return name.encode("cp437").decode()
    if any(not (letter.isascii() or unicodedata.name(letter).startswith("LATIN")) for letter in name):
        raise InputError(f"{shown(path)}: expected names in UTF-8, found {shown(name)}; pack it again, with such names")
    return name


def _from_zip(file, path, name, info):
    where = f"{shown(path)}: {shown(name)}"
    _check_size(where, info.file_size)  # zipfile unpacks no more than that
    try:
        return file.read(info)
    except Exception as error:  # damaged, encrypted, or compressed in an unusual way
        reason = shown(error) or type(error).__name__
        raise InputError(f"{where}: can't be unpacked ({reason}); fetch or pack it again, without a password") from None


def listed(names, most=5):
    """Some names in a line, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more
