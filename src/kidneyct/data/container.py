"""A folder or a zip that somebody else made: which files lie in it, and their bytes, without trust in either."""

import contextlib
import os
import re
import stat
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kidneyct.errors import InputError, shown

LARGEST = 512 * 2**20  # bytes of one file; an image or a mask has less
RATIO = 200  # unpacked to packed bytes; zip's own limit is 1032, which pictures don't come near
KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class Container(NamedTuple):
    names: list  # of all files, sorted, with / between folders
    read: callable  # name -> bytes; InputError names the file


@contextlib.contextmanager
def opened(path):
    """The Container of a folder or zip; InputError where it is neither, or nothing that should be unpacked."""
    if _status(path, path, "a folder or zip") == stat.S_IFDIR:
        names = sorted(_walk(Path(path)))
        yield Container(names, lambda name: _from_folder(path, name))
    else:
        with _zip(path) as (names, read):
            yield Container(names, read)


def _status(path, where, expected):
    """Whether a path is a file or a folder, as stat.S_IFREG or S_IFDIR; InputError, naming `where`, if neither."""
    try:
        kind = stat.S_IFMT(os.stat(path).st_mode)
    except FileNotFoundError:
        raise InputError(f"{shown(where)}: expected {expected}, found no such file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shown(where)}: expected {expected}, found what can't be opened ({reason})") from None
    if kind not in (stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"{shown(where)}: expected {expected}, found {KINDS.get(kind, 'something else')}")
    return kind


def _walk(top):
    """Names of all that is no folder, below `top`. Folders that are links come last, and each folder only once."""
    pending, links, seen, found = [top], [], set(), []
    while pending or links:
        folder = pending.pop() if pending else links.pop(0)
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
            for entry in entries:
                if not entry.is_dir():
                    found.append(Path(entry.path).relative_to(top).as_posix())
                elif entry.is_symlink():
                    links.append(entry.path)
                else:
                    pending.append(entry.path)
        except OSError as error:
            raise InputError(f"{shown(folder)}: can't be read ({error.strerror}); change its permissions") from None
    return found


def _from_folder(folder, name):
    path = Path(folder) / name
    where = f"{shown(folder)}: {shown(name)}"
    if _status(path, where, "an image's file") != stat.S_IFREG:
        raise InputError(f"{where}: expected a file, found a folder")
    try:
        _check_size(where, path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: can't be read ({error.strerror}); change its permissions or remove it") from None


def _check_size(where, size):
    if size > LARGEST:
        raise InputError(f"{where}: expected an image, found {size / 2**20:,.0f} MiB; remove it or make it smaller")


@contextlib.contextmanager
def _zip(path):
    try:
        file = zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(f"{shown(path)}: can't be read ({error.strerror or error}); change that") from None
    except Exception as error:  # damage can make it fail in any way
        raise InputError(
            f"{shown(path)}: expected a zip of class folders, found none or a truncated one ({shown(error)}); fetch it "
            "again"
        ) from None
    with file:
        members = [(info.filename.replace("\\", "/"), info) for info in file.infolist()]  # as Windows writes them
        members = [(name, info) for name, info in members if not name.endswith("/")]
        for name, _ in members:
            if ".." in PurePosixPath(name).parts or re.match("/|[A-Za-z]:/", name):
                raise InputError(f"{shown(path)}: expected files inside the zip, found {shown(name)}; pack it anew")
        twice = [name for name, count in Counter(name for name, _ in members).items() if count > 1]
        if twice:
            raise InputError(
                f"{shown(path)}: expected different names, found {listed(twice)} more than once; keep one of each"
            )
        by_name = dict(members)
        yield sorted(by_name), lambda name: _from_zip(file, path, name, by_name[name])


def _from_zip(file, path, name, info):
    where = f"{shown(path)}: {shown(name)}"
    kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == 3 else 0
    if kind not in (0, stat.S_IFREG):
        raise InputError(f"{where}: expected a file, found a link or a device; pack the files themselves")
    _check_size(where, info.file_size)
    if info.file_size > max(2**20, RATIO * info.compress_size):
        raise InputError(
            f"{where}: expected an image, found {info.file_size:,} bytes packed into {info.compress_size:,}; remove it"
        )
    try:
        return file.read(info)
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or compressed in an unusual way
        raise InputError(f"{where}: can't be unpacked ({shown(error)}); pack it anew, without a password") from None
    except Exception as error:  # as above
        reason = shown(error) or type(error).__name__
        raise InputError(f"{where}: damaged ({reason}); fetch it again") from None


def listed(names, most=5):
    """Some names in a line, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(shown, names[:most])) + more
