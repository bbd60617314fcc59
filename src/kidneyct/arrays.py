"""Arrays on disk, a row for each image of the index: written row by row, read with a check of what they are."""

import contextlib
import math

import numpy as np

from kidneyct.draft import draft, reserve
from kidneyct.errors import altered, missing


@contextlib.contextmanager
def written(path, dtype, shape, most):
    """A function that appends rows (k, *shape) to a .npy, which appears when the block ends, of as many rows as came.

    Room for `most` rows is taken first; InputError where the disk has less.
    """
    dtype, count = np.dtype(dtype), 0
    with draft(path) as partial, partial.open("w+b") as file:

        def head(rows):
            file.seek(0)
            entries = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows, *shape)}
            np.lib.format.write_array_header_1_0(file, entries)  # of one length, however many rows

        def append(rows):
            nonlocal count
            rows = np.ascontiguousarray(rows, dtype)
            if rows.shape[1:] != tuple(shape) or count + len(rows) > most:
                raise ValueError(f"{path}: {rows.shape} on {count} of {most} rows of {shape}")
            file.write(rows.data)
            count += len(rows)

        head(most)
        reserve(file, file.tell() + most * math.prod(shape) * dtype.itemsize, path)
        yield append
        file.truncate(file.tell())
        head(count)


def read(path, dtype, shape):
    """A .npy of this dtype and shape, memory-mapped; `shape` has None where any length will do, such as (None, 25, 25).

    InputError where it is missing, damaged or of another kind. Nothing in it is run: objects are refused.
    """
    wanted = f"{np.dtype(dtype)} of shape ({', '.join('any' if side is None else str(side) for side in shape)})"
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise missing(path) from None
    except Exception as error:  # a damaged header can make the reader fail in any way
        raise altered(path, wanted, f"no such array ({error})") from None
    sides = zip(array.shape, shape, strict=False)
    if array.dtype != dtype or array.ndim != len(shape) or any(want not in (None, side) for side, want in sides):
        raise altered(path, wanted, f"{array.dtype} of shape {array.shape}")
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
        raise altered(path, "named arrays", f"none ({error})") from None
