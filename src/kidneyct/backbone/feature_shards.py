"""The frozen blocks' output and the means of all on Ray, in arrays over shards."""

import functools
from pathlib import Path

import numpy as np

from kidneyct.backbone import devices, features, forward, vgg
from kidneyct.files import arrays, shards
from kidneyct.files.atomic import atomic_write


def compute(weights, images, pixel_scaling, frozen_blocks, path, pooled_path, work):
    """As `features.compute`, on Ray: of `images` over shards features over shards, which `work` keeps.

    `weights` is the file of the base's initial weights. A shard is of whole batches, the same as there.
    """
    size = -(-images.images // features.BATCH_SIZE) * features.BATCH_SIZE
    given = (Path(weights).resolve(), images.folder.resolve(), pixel_scaling, frozen_blocks, path)
    begin = functools.partial(_begin, *given)
    made = shards.made(begin, shards.spans(len(images), size), work, "features", heavy=True)
    features.check_signal(max(facts["greatest"] for facts in made), images, path)
    kept = features.cached(images.shape[1], frozen_blocks)
    if kept:
        shards.gather(made, "features.npy", path, features.shape(images.shape[1], frozen_blocks), size, work)
    else:
        with atomic_write(path) as partial:
            np.save(partial, np.empty(0, np.float16))
    shards.gather(made, "pooled.npy", pooled_path, (sum(vgg.CHANNELS),), size, work)


def _begin(weights, images, pixel_scaling, frozen_blocks, path):
    images = arrays.images(images)
    devices.prepare(seed=0)
    kept = frozen_blocks if features.cached(images.shape[1], frozen_blocks) else 0
    run = forward.pooled(vgg.initialised(weights, images.shape[1]), pixel_scaling, kept)
    row = features.shape(images.shape[1], kept) if kept else ()

    def make(span, folder):
        greatest, count = 0.0, span[1] - span[0]
        with (
            arrays.written(folder / "features.npy", np.float16, row, count if kept else 0) as rows,
            arrays.written(folder / "pooled.npy", np.float32, (sum(vgg.CHANNELS),), count) as means,
        ):
            for start in range(*span, features.BATCH_SIZE):
                outputs, pooled = run(images[start : min(start + features.BATCH_SIZE, span[1])])
                outputs, top = features.in_16_bits(outputs if kept else pooled, path)
                greatest = max(greatest, top)
                if kept:
                    rows.append(outputs)
                means.append(pooled)
        return {"greatest": greatest}

    return make
