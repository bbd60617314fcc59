"""Series: which images are slices of one scan, inferred from the thumbnails; and the nearest thumbnail."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BLOCK = 2048  # thumbnails a side; a block of correlations takes 16 MiB


def flat(thumbnails):
    """(n, 25, 25) grey to (n, 625) float32 rows."""
    return np.asarray(thumbnails).reshape(len(thumbnails), -1).astype("float32")


def standardise(thumbnails):
    """(n, 25, 25) grey to (n, 625) float32 rows of mean 0 and length 1, whose dot product is their correlation.

    A thumbnail of one grey value has no correlation; its row is zero, and so is its product with all others.
    """
    rows = flat(thumbnails)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        block -= block.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        block[:] = np.divide(block, lengths, out=np.zeros_like(block), where=lengths > 1e-3)
    return rows


def infer(thumbnails, hashes, similarity, block=BLOCK):
    """Series number of each image, (n,) int, counted from 0 in order of first appearance.

    Images whose thumbnails correlate above `similarity` are linked, and so are files of equal hash; the
    connected components are the series. `thumbnails` (n, 25, 25), `hashes` (n,). Every pair is compared, in
    blocks of the upper triangle: time grows with n², memory with n. `neighbours.infer` is for more images.
    """
    rows = standardise(thumbnails)
    _, labels = np.unique(np.asarray(hashes), return_inverse=True)
    for first in range(0, len(rows), block):
        for second in range(first, len(rows), block):
            correlations = rows[first : first + block] @ rows[second : second + block].T
            links = np.argwhere(correlations > similarity)
            labels = merge(labels, links[:, 0] + first, links[:, 1] + second)
    return by_appearance(labels)


def merge(labels, left, right):
    """Component of each image, (n,) int, after linking image left[i] with right[i]; `labels` are the old ones."""
    if len(left) == 0:
        return labels
    count = int(labels.max()) + 1
    pairs = np.unique(labels[left].astype(np.int64) * count + labels[right])  # beyond 32 bits from 46,341 on
    graph = coo_array((np.ones(len(pairs), bool), (pairs // count, pairs % count)), shape=(count, count))
    return connected_components(graph, directed=False)[1][labels]


def by_appearance(labels):
    """Series numbers (n,) int, counted from 0 in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def nearest(query, reference, block=BLOCK, apart=None):
    """The most similar of the reference thumbnails for each of the query's, the first of equals.

    `apart`, the series of both, (q,) and (r,), leaves those of the same series out. Returns their positions (q,) int
    and correlations (q,) float32, -inf where none is left.
    """
    query = standardise(query)
    position, best = np.zeros(len(query), int), np.full(len(query), -np.inf, "float32")
    for first in range(0, len(reference), block):
        known = standardise(reference[first : first + block])
        for start in range(0, len(query), block):
            at = slice(start, start + block)
            correlations = query[at] @ known.T
            if apart is not None:
                correlations[apart[0][at, None] == apart[1][None, first : first + block]] = -np.inf
            here = correlations.argmax(axis=1)
            value = correlations[np.arange(len(here)), here]
            better = value > best[at]
            position[at] = np.where(better, here + first, position[at])
            best[at] = np.where(better, value, best[at])
    return position, best
