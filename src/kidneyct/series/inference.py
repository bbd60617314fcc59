"""Series: which images are slices of one scan, inferred from thumbnails and the natural order of names.

And the nearest thumbnail. In natural order 2 comes before 10.
"""

import re

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

BLOCK = 2048  # thumbnails a side; a block of correlations takes 32 MiB
NO_NEIGHBOURS = "none"


def correlations(left, right):
    """Correlation of each thumbnail (l, 25, 25) with each other one (r, 25, 25), (l, r) float64.

    A thumbnail of one grey value has no correlation; 0 stands for it.
    """
    (left, left_lengths), (right, right_lengths) = _centred(left), _centred(right)
    return left @ right.T / left_lengths[:, None] / right_lengths


def _centred(thumbnails):
    """(n, 25, 25) to (n, 625) float64, each grey times 625 less their sum; and the rows' lengths (n,), never 0.

    All are whole numbers, and so are sums of their products, below 2^53: exact, in whatever order threads add them up.
    """
    rows = np.asarray(thumbnails).reshape(len(thumbnails), -1).astype(float)
    rows = rows * rows.shape[1] - rows.sum(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return rows, np.where(lengths > 0, lengths, np.inf)


def grouped(thumbnails, hashes, names, threshold):
    """Group of each image, (n,) int: files of equal hash are one, and neighbours that correlate above `threshold`.

    Neighbours are those of `neighbours`; `threshold` may be NO_NEIGHBOURS. `hashes` and `names` are (n,).
    """
    _, labels = np.unique(np.asarray(hashes), return_inverse=True)
    if threshold == NO_NEIGHBOURS:
        return labels
    pairs = neighbours(list(names))
    for start in range(0, len(pairs), BLOCK):
        block = pairs[start : start + BLOCK]
        (left, left_lengths), (right, right_lengths) = (_centred(thumbnails[rows]) for rows in block.T)
        alike = np.einsum("ij,ij->i", left, right) / left_lengths / right_lengths > threshold
        labels = merge(labels, *block[alike].T)
    return labels


def infer(thumbnails, groups, similarity, block=BLOCK):
    """Series number of each image, (n,) int, counted from 0 in order of first appearance; (k, n) of k similarities.

    Images whose thumbnails correlate above `similarity` are linked, and so are those of one group, as `grouped` finds
    them; the connected components are the series. `thumbnails` (n, 25, 25), `groups` (n,). Every pair is compared, in
    blocks of the upper triangle: time grows with n², memory with n.
    """
    similarities = np.atleast_1d(similarity)
    labels = [np.unique(np.asarray(groups), return_inverse=True)[1]] * len(similarities)
    for first in range(0, len(thumbnails), block):
        for second in range(first, len(thumbnails), block):
            found = correlations(thumbnails[first : first + block], thumbnails[second : second + block])
            for at, least in enumerate(similarities):
                links = np.argwhere(found > least)
                labels[at] = merge(labels[at], links[:, 0] + first, links[:, 1] + second)
    return np.reshape([by_appearance(each) for each in labels], (*np.shape(similarity), len(thumbnails)))


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


def nearest(query, reference, apart=None, block=BLOCK):
    """The most similar of the reference thumbnails for each of the query's, the first of equals.

    `apart`, the series of both, (q,) and (r,), leaves those of the same series out; there may be k such partitions,
    (k, q) and (k, r), each coarser than the one before it. Returns positions, (q,) or (k, q) int, and correlations,
    -inf where none is left.
    """
    shape = (len(query),) if apart is None else np.shape(apart[0])
    partitions = [None] if apart is None else list(zip(*map(np.atleast_2d, apart), strict=True))
    position = np.zeros((len(partitions), len(query)), int)
    best = np.full(position.shape, -np.inf)
    for first in range(0, len(reference), block):
        known = np.asarray(reference[first : first + block])
        for start in range(0, len(query), block):
            rows = slice(start, start + block)
            found = correlations(query[rows], known)
            for at, series in enumerate(partitions):
                if series is not None:
                    found[series[0][rows, None] == series[1][None, first : first + block]] = -np.inf
                here = found.argmax(axis=1)
                value = found[np.arange(len(here)), here]
                better = value > best[at, rows]
                position[at, rows] = np.where(better, here + first, position[at, rows])
                best[at, rows] = np.where(better, value, best[at, rows])
    return position.reshape(shape), best.reshape(shape)


def _key(name):
    """What sorts a name in natural order: text and whole numbers by turns, text first."""
    return tuple(int(part) if at % 2 else part for at, part in enumerate(re.split(r"(\d+)", name)))


def order(names):
    """Rows of the names (n,) in natural order, (n,) int."""
    keys = [_key(name) for name in names]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), int)


def neighbours(names):
    """Pairs (k, 2) of rows whose names follow each other in natural order and are the same before their last number.

    The folder is a part of the name; what follows the number is ignored, and a name without one has no neighbour.
    """
    rows = order(names)
    before = [_key(names[row])[:-2] for row in rows]
    follow = [at for at in range(1, len(rows)) if before[at] and before[at] == before[at - 1]]
    return np.column_stack([rows[np.array(follow, int) - 1], rows[np.array(follow, int)]])
