"""Series of more images than can be compared pair by pair: faiss finds most of the similar thumbnails."""

import functools
import math

import numpy as np

from kidneyct.files import arrays, shards
from kidneyct.pipeline.errors import InputError
from kidneyct.series import inference

PROBES = 16  # cells that are searched for each thumbnail
SAMPLE = 64  # thumbnails that a cell's centre is found from; faiss asks for 39
BLOCK = 256  # thumbnails whose neighbours are in memory at once: those of a group of n like ones are 256 n pairs
CHUNK = 8192
INDEX = "neighbours.faiss"


def infer(thumbnails, groups, similarity, probes=PROBES):
    """As `inference.infer`, approximately: of images that are alike a few are not linked, and none that are not alike.

    faiss sorts the thumbnails into cells and compares each with those of the `probes` cells that are nearest to it.
    Two images of a series that are in no common cell are of one series all the same, where others link them.
    """
    index, spans = build(thumbnails, probes), shards.spans(len(thumbnails), CHUNK)
    return _joined(groups, [links(index, thumbnails, *span, similarity) for span in spans])


def over_shards(thumbnails, groups, similarity, work):
    """As `infer`, on Ray, of thumbnails over shards; `work` is a `checkpoint.Checkpoint`, where the links are kept."""
    path = (work.folder / INDEX).resolve()
    if not path.exists():
        _faiss().write_index(build(thumbnails), str(path.with_suffix(".partial")))
        path.with_suffix(".partial").replace(path)
    begin = functools.partial(_begin, path, thumbnails.folder.resolve(), similarity)
    made = shards.made(begin, shards.spans(len(thumbnails), thumbnails.images), work, "series")
    return _joined(groups, [np.load(shards.place(work.folder, number) / "links.npy") for number in range(len(made))])


def _begin(path, thumbnails, similarity):
    faiss, thumbnails = _faiss(), arrays.thumbnails(thumbnails)
    index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)  # of all processes on a machine, one copy in memory

    def make(span, folder):
        np.save(folder / "links.npy", links(index, thumbnails, *span, similarity))
        return {}

    return make


def build(thumbnails, probes=PROBES):
    """The thumbnails (n, 25, 25) in faiss's inverted file, in about 4 sqrt(n) cells; the same ones give the same."""
    faiss, count = _faiss(), len(thumbnails)
    cells = max(1, min(round(4 * math.sqrt(count)), count // SAMPLE))
    width = math.prod(thumbnails.shape[1:])
    quantizer = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFFlat(quantizer, width, cells, faiss.METRIC_INNER_PRODUCT)
    index.nprobe = probes
    sample = np.linspace(0, count - 1, min(count, SAMPLE * cells)).astype(int)
    index.train(standardise(thumbnails[sample]))
    for start, stop in shards.spans(count, CHUNK):
        index.add(standardise(thumbnails[start:stop]))
    return index


def links(index, thumbnails, start, stop, similarity):
    """Links (k, 2) between images `start` to `stop` and any that correlate above `similarity`, as few as are needed."""
    found = []
    for first in range(start, stop, BLOCK):
        rows = np.arange(first, min(first + BLOCK, stop))
        limits, _, others = index.range_search(standardise(thumbnails[first : rows[-1] + 1]), similarity)
        found.append(_forest(np.column_stack([np.repeat(rows, np.diff(limits.astype(int))), others])))
    return _forest(np.concatenate(found))


def _forest(pairs):
    """Of links (k, 2) between images as few as join the same ones: each image with the first it is joined with."""
    images, places = np.unique(pairs, return_inverse=True)
    left, right = places.reshape(pairs.shape).T
    _, first, labels = np.unique(
        inference.merge(np.arange(len(images)), left, right), return_index=True, return_inverse=True
    )
    joined = np.column_stack([images, images[first][labels]])
    return joined[joined[:, 0] != joined[:, 1]]


def _joined(groups, found):
    _, labels = np.unique(np.asarray(groups), return_inverse=True)
    return inference.by_appearance(inference.merge(labels, *np.concatenate(found).T))


def standardise(thumbnails):
    """(n, 25, 25) grey to (n, 625) float32 rows of mean 0 and length 1, whose dot product is their correlation.

    A thumbnail of one grey value has no correlation; its row is zero, and so is its product with all others.
    """
    rows = inference.flat(thumbnails)
    for start in range(0, len(rows), inference.BLOCK):
        block = rows[start : start + inference.BLOCK]
        block -= block.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        block[:] = np.divide(block, lengths, out=np.zeros_like(block), where=lengths > 1e-3)
    return rows


def _faiss():
    try:
        import faiss
    except ImportError:
        raise InputError(
            "series.approximate_above: so many images are compared by faiss, found none; pip install -c "
            "constraints.txt -e '.[ray]', or raise it"
        ) from None
    return faiss
