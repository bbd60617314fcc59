"""The output of the frozen blocks, computed once for every image."""

import io
import math
import zlib

import keras
import numpy as np
from tqdm import tqdm

from kidneyct import arrays, unfinished
from kidneyct.draft import reserve
from kidneyct.errors import InputError
from kidneyct.network import devices, vgg

BATCH_SIZE = 32
PROGRESS = "progress"  # what is kept under this name: how far the features are whole


def shape(image_size, frozen_blocks):
    """Shape of one image's output of the last frozen block; each block halves the side, rounding down."""
    side = image_size // 2**frozen_blocks
    return side, side, min(64 * 2 ** (frozen_blocks - 1), 512)


def cached(image_size, frozen_blocks):
    """Whether the features are kept: where 16 bits a value take no more room than 8-bit RGB pixels."""
    if frozen_blocks == 0:
        return False
    return 2 * math.prod(shape(image_size, frozen_blocks)) <= 3 * image_size**2


def compute(base, images, pixel_scaling, frozen_blocks, path, work):
    """Run images (n, s, s, 3) uint8 through the frozen blocks into a float16 .npy, (n, h, w, c), row by row.

    float16 has 11 significant bits down to 6e-5 and steps of 6e-8 below: a random start's features, about
    5e-4, keep three digits. InputError where a value is beyond float16's 65504, all are below its steps, or the disk
    has no room. In `work`, an `unfinished.Work`, an interrupted run's batches are found and this one's are left.
    """
    model = vgg.frozen_part(base, pixel_scaling, frozen_blocks)
    shape = (len(images), *model.output.shape[1:])
    header, each = _header(shape), 2 * math.prod(shape[1:])  # bytes, of an image the latter
    with work.writing(path) as partial, partial.open("r+b" if partial.exists() else "w+b") as file:
        reserve(file, len(header) + len(images) * each, path)
        file.write(header)
        done, greatest, checksum = _resume(file, each, work)
        if 0 < done < len(images):
            work.say(f"goes on at image {done + 1:,} of {len(images):,}")
        starts = range(done, len(images), BATCH_SIZE)
        sample = images[:BATCH_SIZE]
        devices.warn_if_long("features", lambda: model.predict_on_batch(sample), len(starts))
        for start in tqdm(starts, desc="features", unit="batch", disable=None):
            outputs, top = run(model, images[start : start + BATCH_SIZE], path)
            greatest = max(greatest, top)
            content = outputs.tobytes()
            file.write(content)
            done, checksum = done + len(outputs), zlib.crc32(content, checksum)
            work.now_and_then(lambda state=(done, greatest, checksum): _save(file, work, *state))
        check_signal(greatest, images, path)


def run(model, batch, path):
    """The features of a batch, (b, h, w, c) float16, and the greatest; InputError where that is beyond 16 bits."""
    outputs = keras.ops.convert_to_numpy(model.predict_on_batch(batch))  # (b, h, w, c) float32
    top = float(outputs.max())
    if not top <= float(np.finfo(np.float16).max):
        raise InputError(
            f"{path}: features up to {top:.3g} don't fit 16 bits (65504 at most); the initial weights or "
            "model.pixel_scaling don't suit each other"
        )
    return outputs.astype(np.float16), top


def check_signal(greatest, images, path):
    """InputError where all features of the images are below the steps of 16 bits."""
    if greatest < 1e-6:
        raise InputError(f"{path}: the greatest feature is {greatest:.3g}, nothing to learn from; {_reason(images)}")


def _header(shape):
    """The first bytes of such a .npy."""
    file = io.BytesIO()
    entries = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float16)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, entries)
    return file.getvalue()


def _save(file, work, done, greatest, checksum):
    unfinished.to_disk(file)
    work.save(PROGRESS, done=done, greatest=greatest, checksum=checksum)


def _resume(file, each, work):
    """What an interrupted run left in the file, which then stands behind it: images, greatest value and checksum.

    `each` is the size of an image's features in bytes; the file stands behind its header.
    """
    begin = file.tell()
    kept = work.load(PROGRESS)
    if kept:
        done, checksum = int(kept["done"]), 0
        for _ in range(done):
            checksum = zlib.crc32(file.read(each), checksum)
        if checksum == kept["checksum"]:
            return done, float(kept["greatest"]), checksum
        work.forget(PROGRESS)
        work.say(f"{file.name}: damaged, as an interruption may leave it; what it held is computed again")
        file.seek(begin)
    return 0, 0.0, 0


def _reason(images):
    """Why there is no feature: the images or the weights, in words."""
    starts = range(0, len(images), BATCH_SIZE)
    if all(np.ptp(images[start : start + BATCH_SIZE], axis=(1, 2)).max() == 0 for start in starts):
        return f"each of the {len(images):,} images is of one colour throughout; look at the pictures of data.source"
    return "the initial weights don't pass a signal on"


def write_placeholder(path):
    """An empty array where nothing is cached: the frozen part then runs on the fly in training."""
    np.save(path, np.empty(0, np.float16))


def remainder(network, images, path, frozen_blocks):
    """What of the network is left to run, and what to feed it.

    The part behind the frozen blocks with the cached features at `path`, where they are cached; otherwise
    the whole network with the images.
    """
    if not cached(images.shape[1], frozen_blocks):
        return network, images
    return vgg.part(network, after=vgg.boundary(frozen_blocks)), arrays.read(
        path, np.float16, (len(images), None, None, None)
    )
