"""A folder or a zip that somebody else made: which files lie in it, and their bytes, without trust in either."""

import contextlib
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kidneyct.pipeline.errors import InputError, shown

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
        with _zip(path) as (members, file):
            yield Container(sorted(members), lambda name: _from_zip(file, path, name, members[name]))


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


def directory(path):
    """The files of a zip, name -> what `opened_at` finds each by."""
    with _zip(path) as (members, _):
        return members


@contextlib.contextmanager
def opened_at(path, members):
    """The Container of some files of a zip, of which `directory` told; its long list of all is not read."""
    with open(path, "rb") as file:
        direct = _Direct(file)
        yield Container(sorted(members), lambda name: _from_zip(direct, path, name, members[name]))


class _Direct:
    """Reads a zip's members where they lie, stored or deflated, as zipfile does once it has read the list of all.

    Several threads may read at once.
    """

    HEADER = struct.Struct("<4s22x2H")  # signature, lengths of name and extra field

    def __init__(self, file):
        self.file = file
        self.lock = threading.Lock()  # of the place in the file

    def read(self, info):
        content = self._packed(info)
        if info.compress_type == zipfile.ZIP_DEFLATED:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, info.file_size or 1)
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
        return content

    def _packed(self, info):
        with self.lock:
            self.file.seek(info.header_offset)
            signature, *lengths = self.HEADER.unpack(self.file.read(self.HEADER.size))
            if signature != b"PK\x03\x04":
                raise zipfile.BadZipFile("no member where the list has one")
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotImplementedError("neither stored nor deflated, or encrypted")
            self.file.seek(sum(lengths), os.SEEK_CUR)
            return self.file.read(info.compress_size)


@contextlib.contextmanager
def _zip(path):
    """The members of a zip, name -> ZipInfo, and the open file."""
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
        yield dict(members), file


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
