"""Arrays on disk, a row for each image of the index: written row by row, read with a check of what they are.

An array is one .npy, or a folder of that name with a .npy for each shard of its rows and a list of these.
"""

import contextlib
import functools
import json
import math
import zlib
from pathlib import Path

import numpy as np

from kidneyct.files.atomic import atomic_write, reserve, to_disk
from kidneyct.pipeline.errors import altered, missing

SHARDS = "shards.json"  # beside the shards; as it holds their checksums, it stands for all of them
OPEN = 128  # shards of an array that are mapped at once; a process may have 1024 files open


class Rows:
    """Rows of a .npy as they are written, one after the other: `count` so far, and a `checksum` over them."""

    def __init__(self, file, path, dtype, shape, most):
        self.file, self.path, self.dtype, self.shape, self.most = file, path, np.dtype(dtype), tuple(shape), most
        self.count, self.checksum = 0, 0
        self._head(most)
        self._begin = file.tell()
        reserve(file, self._begin + most * self._bytes(), path)

    def append(self, rows):
        """Write rows (k, *shape) behind those that are there."""
        rows = np.ascontiguousarray(rows, self.dtype)
        if rows.shape[1:] != self.shape or self.count + len(rows) > self.most:
            raise ValueError(f"{self.path}: {rows.shape} on {self.count} of {self.most} rows of {self.shape}")
        self.file.write(rows.data)
        self.count += len(rows)
        self.checksum = zlib.crc32(rows.data, self.checksum)

    def keep(self, count, checksum):
        """Take over as many rows of an interrupted run, which are in the file; False, and none, if they are others."""
        self.file.seek(self._begin)
        found = 0
        for _ in range(count):
            found = zlib.crc32(self.file.read(self._bytes()), found)
        same = found == checksum
        self.count, self.checksum = (count, found) if same else (0, 0)
        self.file.seek(self._begin + self.count * self._bytes())
        return same

    def to_disk(self):
        to_disk(self.file)

    def end(self):
        """As many rows as came are all."""
        self.file.truncate(self.file.tell())
        self._head(self.count)

    def _head(self, count):
        self.file.seek(0)
        entries = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        # Of one length, however many rows.
        np.lib.format.write_array_header_1_0(self.file, entries | {"shape": (count, *self.shape)})

    def _bytes(self):
        return math.prod(self.shape) * self.dtype.itemsize


@contextlib.contextmanager
def written(path, dtype, shape, most, place=atomic_write):
    """The `Rows` of a .npy, which appears when the block ends, of as many rows as came.

    Room for `most` rows is taken first; InputError where the disk has less. `place(path)` gives the path to write to
    meanwhile, as `atomic_write` does; what an interrupted run left there stays until it is written over.
    """
    with place(path) as partial, partial.open("r+b" if partial.exists() else "w+b") as file:
        rows = Rows(file, path, dtype, shape, most)
        yield rows
        rows.end()


class Shards:
    """The rows of several .npy, one behind the other, read-only as an array is; what is not asked for is not read.

    A shard may have one channel where a row has three: these are then equal. `images` is how many a shard is made for.
    """

    def __init__(self, folder, dtype, row, shapes, images):
        """`row` is the shape of a row, `shapes` that of each shard's .npy in `folder`."""
        self.folder, self.dtype, self.shapes, self.images = Path(folder), np.dtype(dtype), shapes, images
        self._starts = np.cumsum([0, *(shape[0] for shape in shapes)])
        self._rows = np.arange(self._starts[-1])
        self.shape = (len(self._rows), *row)
        self.ndim = len(self.shape)
        self._opened = functools.lru_cache(OPEN)(self._open)

    def _open(self, number):
        return read(self.folder / shard(number), self.dtype, self.shapes[number])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, at):
        """Rows as NumPy gives them, by a number, a slice, or an array of numbers or of booleans."""
        rows = self._rows[at]
        each = np.atleast_1d(rows)
        found = np.empty((len(each), *self.shape[1:]), self.dtype)
        shards = np.searchsorted(self._starts, each, side="right") - 1
        for number in np.unique(shards):
            here = shards == number
            found[here] = self._opened(number)[each[here] - self._starts[number]]
        return found if rows.ndim else found[0]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError(f"{self.folder}: rows of several files are one array in memory only as a copy")
        rows = self[:]
        return rows if dtype is None else rows.astype(dtype)


def read(path, dtype, shape):
    """An array of this dtype and shape, memory-mapped; `shape` has None for any length, such as (None, 25, 25).

    InputError where it is missing, damaged or of another kind. Nothing in it is run: objects are refused.
    """
    wanted = f"{np.dtype(dtype)} of shape ({', '.join('any' if side is None else str(side) for side in shape)})"
    array = _listed(Path(path), wanted) if Path(path).is_dir() else _mapped(path, wanted)
    sides = zip(array.shape, shape, strict=False)
    if array.dtype != dtype or array.ndim != len(shape) or any(want not in (None, side) for side, want in sides):
        raise altered(path, wanted, f"{array.dtype} of shape {array.shape}")
    return array


def shard(number):
    """The name of a shard's file in the array's folder."""
    return f"{number:05d}.npy"


def _listed(folder, wanted):
    try:
        told = json.loads((folder / SHARDS).read_bytes())
        shapes = [tuple(each["shape"]) for each in told["shards"]]
        array = Shards(folder, told["dtype"], told["row"], shapes, told["images"])
    except FileNotFoundError:
        raise missing(folder / SHARDS) from None
    except Exception as error:  # a damaged list can fail in any way
        raise altered(folder / SHARDS, wanted, f"no list of its shards ({error})") from None
    for number in range(len(shapes)):
        if not (folder / shard(number)).exists():
            raise missing(folder / shard(number))
    return array


def _mapped(path, wanted):
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise missing(path) from None
    except Exception as error:  # a damaged header can make the reader fail in any way
        raise altered(path, wanted, f"no such array ({error})") from None


def images(path, count=None):
    """The pictures (n, s, s, 3) uint8 that preprocess wrote, of `count` images where it is given."""
    return read(path, np.uint8, (count, None, None, 3))


def thumbnails(path, count=None):
    """The thumbnails (n, 25, 25) uint8 that preprocess wrote, of `count` images where it is given."""
    return read(path, np.uint8, (count, 25, 25))


def read_named(path):
    """The arrays of an .npz, name -> array; InputError where it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        raise missing(path) from None
    except Exception as error:  # as above
        raise altered(path, "named arrays", f"none ({error})") from None
