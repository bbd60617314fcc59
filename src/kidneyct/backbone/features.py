"""The output of the frozen blocks and the mean of each block, computed once for every image, in one pass."""

import math

import numpy as np

from kidneyct.backbone import forward, vgg
from kidneyct.files import arrays
from kidneyct.files.atomic import to_disk
from kidneyct.pipeline import progress
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.params import CHANNELS

BATCH_SIZE = 32
PROGRESS = "progress"  # the checkpoint's entry that says how many images are done


def shape(image_size, frozen_blocks):
    """Shape of one image's output of the last frozen block; each block halves the side, rounding down."""
    side = image_size // 2**frozen_blocks
    return side, side, CHANNELS[frozen_blocks - 1]


def cached(image_size, frozen_blocks):
    """Whether the features are kept: where 16 bits a value take no more room than 8-bit RGB pixels."""
    return frozen_blocks > 0 and 2 * math.prod(shape(image_size, frozen_blocks)) <= 3 * image_size**2


def compute(base, images, pixel_scaling, frozen_blocks, path, pooled_path, checkpoint):
    """Run images (n, s, s, 3) uint8 through all blocks, row by row: the last frozen one's output, and means of all.

    To `path` goes a float16 .npy, (n, h, w, c), or an empty one where that is not `cached`; to `pooled_path` a float32
    one, (n, 1472), of each block's mean over its places.

    float16 has 11 significant bits down to 6e-5 and steps of 6e-8 below: a random start's features, about
    5e-4, keep three digits. InputError where a value is beyond float16's 65504, all are below its steps, or the disk
    has no room. In `checkpoint`, a `Checkpoint`, an interrupted run's batches are found and this one's are left.
    """
    kept = frozen_blocks if cached(images.shape[1], frozen_blocks) else 0  # the block whose output is kept, 0 for none
    run = forward.pooled(base, pixel_scaling, kept)
    row = shape(images.shape[1], kept) if kept else ()
    with (
        arrays.written(path, np.float16, row, len(images) if kept else 0, checkpoint.writing) as rows,
        arrays.written(pooled_path, np.float32, (sum(CHANNELS),), len(images), checkpoint.writing) as means,
    ):
        greatest = _resume(rows, means, kept, checkpoint)
        if 0 < means.count < len(images):
            checkpoint.say(f"goes on at image {means.count + 1:,} of {len(images):,}")
        starts = range(means.count, len(images), BATCH_SIZE)
        for start in progress.bar(starts, what="features", unit="batch"):
            greatest = max(greatest, _batch(run, images[start : start + BATCH_SIZE], rows, means, path))
            checkpoint.now_and_then(lambda greatest=greatest: _save(rows, means, checkpoint, greatest))
        if greatest < 1e-6:
            raise InputError(
                f"{path}: the greatest feature is {greatest:.3g}, nothing to learn from; the initial weights don't "
                "pass a signal on, or each image is of one colour throughout: look at the pictures of data.source"
            )


def pooled(base, images, pixel_scaling, rows):
    """The means of all blocks (len(rows), 1472) float32 of some rows of images (n, s, s, 3), a batch in memory."""
    run, found = forward.pooled(base, pixel_scaling, 0), []
    for start in progress.bar(range(0, len(rows), BATCH_SIZE), what="features", unit="batch"):
        found.append(run(images[rows[start : start + BATCH_SIZE]])[1])
    return np.concatenate(found)


def _batch(run, images, rows, means, path):
    """Append a batch's features; the greatest, InputError where that is beyond 16 bits."""
    outputs, pooled = run(images)
    greatest = float((pooled if outputs is None else outputs).max())
    if not greatest <= float(np.finfo(np.float16).max):
        raise InputError(
            f"{path}: features up to {greatest:.3g} don't fit 16 bits (65504 at most); the initial weights and "
            "model.pixel_scaling don't suit each other"
        )
    if outputs is not None:
        rows.append(outputs)
    means.append(pooled)
    return greatest


def _save(rows, means, checkpoint, greatest):
    for each in (rows, means):
        to_disk(each.file)
    checkpoint.save(PROGRESS, done=means.count, greatest=greatest, checksums=[rows.checksum, means.checksum])


def _resume(rows, means, kept, checkpoint):
    """Keep what rows an interrupted run left; the greatest value in them."""
    left = checkpoint.load(PROGRESS)
    if not left:
        return 0.0
    counts = int(left["done"]) if kept else 0, int(left["done"])
    for each, count, checksum in zip((rows, means), counts, left["checksums"], strict=True):
        if not each.keep(count, int(checksum)):
            checkpoint.damaged(PROGRESS, each.file.name)
            rows.keep(0, 0)
            return 0.0
    return float(left["greatest"])


def remainder(network, images, path, frozen_blocks):
    """What of the network is left to run, and what to feed it.

    The part behind the frozen blocks with the cached features at `path`, where they are cached; otherwise
    the whole network with the images.
    """
    if not cached(images.shape[1], frozen_blocks):
        return network, images
    rest = vgg.part(network, after=vgg.boundary(frozen_blocks))
    return rest, arrays.read(path, np.float16, (len(images), None, None, None))
