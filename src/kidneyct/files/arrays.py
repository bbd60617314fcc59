"""Arrays on disk, a row for each image of the index: written row by row, read with a check of what they are."""

import contextlib
import math
import zlib

import numpy as np

from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.errors import corrupt, missing


class Rows:
    """Rows of a .npy as they are written, one after the other: `count` so far, and a `checksum` over them."""

    def __init__(self, file, path, dtype, shape, most):
        self.file, self.path, self.dtype, self.shape, self.most = file, path, np.dtype(dtype), tuple(shape), most
        self.count, self.checksum = 0, 0
        self._head(most)
        self._begin = file.tell()

    def append(self, rows):
        """Write rows (k, *shape) behind those that are there."""
        rows = np.ascontiguousarray(rows, self.dtype)
        if rows.shape[1:] != self.shape or self.count + len(rows) > self.most:
            raise ValueError(f"{self.path}: {rows.shape} on {self.count} of {self.most} rows of {self.shape}")
        self.file.write(rows.data)
        self.count += len(rows)
        self.checksum = zlib.crc32(rows.data, self.checksum)

    def keep(self, count, checksum):
        """Keep the first rows, `count`, that an interrupted run left in the file; False, and none, if they changed."""
        self.file.seek(self._begin)
        size, found = math.prod(self.shape) * self.dtype.itemsize, 0
        for _ in range(count):
            found = zlib.crc32(self.file.read(size), found)
        same = found == checksum
        self.count, self.checksum = (count, found) if same else (0, 0)
        self.file.seek(self._begin + self.count * size)
        return same

    def end(self):
        """Have the file say how many rows came, and hold no more."""
        self.file.truncate(self.file.tell())
        self._head(self.count)

    def _head(self, count):
        self.file.seek(0)
        entries = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        # Of one length, however many rows.
        np.lib.format.write_array_header_1_0(self.file, entries | {"shape": (count, *self.shape)})


@contextlib.contextmanager
def written(path, dtype, shape, most, place=atomic_write):
    """The `Rows` of a .npy, which appears when the block ends, of as many rows as came.

    `place(path)` gives the path to write to meanwhile, as `atomic_write` does; what an interrupted run left there stays
    until it is written over.
    """
    with place(path) as partial, partial.open("r+b" if partial.exists() else "w+b") as file:
        rows = Rows(file, path, dtype, shape, most)
        yield rows
        rows.end()


def read(path, dtype, shape):
    """An array of this dtype and shape, memory-mapped; `shape` has None for any length, such as (None, 25, 25).

    InputError where it is missing, damaged or of another kind. Nothing in it is run: objects are refused.
    """
    wanted = f"{np.dtype(dtype)} of shape ({', '.join('any' if side is None else str(side) for side in shape)})"
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise missing(path) from None
    except Exception as error:  # a damaged header can make the reader fail in any way
        raise corrupt(path, wanted, f"no such array ({error})") from None
    sides = zip(array.shape, shape, strict=False)
    if array.dtype != dtype or array.ndim != len(shape) or any(want not in (None, side) for side, want in sides):
        raise corrupt(path, wanted, f"{array.dtype} of shape {array.shape}")
    return array


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
        raise corrupt(path, "named arrays", f"none ({error})") from None
