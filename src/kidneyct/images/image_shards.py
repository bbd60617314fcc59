"""Decoding on Ray: the images of an archive in arrays over shards."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from kidneyct.files import arrays, index, shards
from kidneyct.images import container, decoding, masks


def preprocess(archive, entries, image_size, allowed, folder, chosen, changed, size, work):
    """As `decoding.preprocess` and `masks.check`, on Ray, with arrays over shards.

    A shard is of `size` entries of the archive, less what can't be read, and has one channel where all its pictures are
    grey. `work` is a `checkpoint.Checkpoint`, where the shards are made.
    """
    with container.opened(archive) as opened:
        lesions = masks.fitting(opened.names, entries, archive)
    spans, items = shards.spans(len(entries), size), []
    for number, (start, stop) in enumerate(spans):
        items.append((entries[start:stop], lesions[number :: len(spans)]))
    begin = functools.partial(_begin, Path(archive).resolve(), image_size, chosen, changed)
    made = shards.made(begin, items, work, "preprocess")
    masks.one_size({name: tuple(side) for facts in made for name, side in facts["masks"]}, archive)
    rejected = [line for facts in made for line in facts["rejected"]]
    index.write(pd.DataFrame(rejected, columns=index.COLUMNS["rejected.csv"]), folder / "rejected.csv")
    decoding.check_rejected(archive, entries, rejected, allowed, folder)
    for name, row in (("images.npy", (image_size, image_size, 3)), ("thumbnails.npy", (decoding.THUMBNAIL_SIZE,) * 2)):
        shards.gather(made, name, folder / name, row, size, work)
    shards.join(made, "index.csv", folder / "index.csv", work)
    return len(entries) - len(rejected), len(rejected)


def _begin(archive, image_size, chosen, changed):
    def make(item, folder):
        part, lesions = item
        with container.opened(archive) as opened:
            examples = {size: name for name, size in masks.sizes(opened, lesions, archive, threads=1).items()}
            how = image_size, folder, chosen, changed
            with decoding.decoded(opened, archive, part, *how, threads=1) as (lines, rejected):
                index.write(pd.DataFrame(lines, columns=index.COLUMNS["index.csv"]), folder / "index.csv")
        _one_channel(folder / "images.npy")
        return {"rejected": rejected, "masks": [(name, size) for size, name in examples.items()]}

    return make


def _one_channel(path):
    """Keep one channel of an array of pictures that are all grey."""
    rgb = arrays.images(path)
    blocks = [slice(start, stop) for start, stop in shards.spans(len(rgb), 256)]
    if all((rgb[at] == rgb[at][..., :1]).all() for at in blocks):
        with arrays.written(path, np.uint8, (*rgb.shape[1:3], 1), len(rgb)) as rows:
            for at in blocks:
                rows.append(rgb[at][..., :1])
