"""The frozen blocks' output on Ray, in an array over shards."""

import functools
from pathlib import Path

import numpy as np

from kidneyct import arrays, shards
from kidneyct.network import devices, features, forward, vgg


def compute(weights, images, pixel_scaling, frozen_blocks, path, work):
    """As `features.compute`, on Ray: of `images` over shards features over shards, which `work` keeps.

    `weights` is the file of the base's initial weights. A shard is of whole batches, the same as there.
    """
    size = -(-images.images // features.BATCH_SIZE) * features.BATCH_SIZE
    given = (Path(weights).resolve(), images.folder.resolve(), pixel_scaling, frozen_blocks, path)
    begin = functools.partial(_begin, *given)
    made = shards.made(begin, shards.spans(len(images), size), work, "features", heavy=True)
    features.check_signal(max(facts["greatest"] for facts in made), images, path)
    shards.gather(made, "features.npy", path, features.shape(images.shape[1], frozen_blocks), size, work)


def _begin(weights, images, pixel_scaling, frozen_blocks, path):
    images = arrays.images(images)
    devices.prepare(seed=0)
    model = vgg.frozen_part(vgg.initialised(weights, images.shape[1]), pixel_scaling, frozen_blocks)
    run = forward.function(model)

    def make(span, folder):
        greatest = 0.0
        with arrays.written(folder / "features.npy", np.float16, model.output.shape[1:], span[1] - span[0]) as rows:
            for start in range(*span, features.BATCH_SIZE):
                outputs, top = features.in_16_bits(run(images[start : min(start + features.BATCH_SIZE, span[1])]), path)
                greatest = max(greatest, top)
                rows.append(outputs)
        return {"greatest": greatest}

    return make
