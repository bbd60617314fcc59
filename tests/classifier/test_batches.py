"""Rows in batches."""

import numpy as np

from kidneyct.classifier.batches import Batches


def test_batches_shuffle_by_seed_and_epoch_and_serve_every_row():
    inputs = np.arange(10)[:, None]
    batches = Batches(inputs, range(10), 4, np.zeros(10, int), 2, seed=3)
    orders = []
    for _ in range(2):
        served = np.concatenate([batches[number][0].ravel() for number in range(len(batches))])
        assert sorted(served.tolist()) == list(range(10))
        orders.append(served.tolist())
        batches.on_epoch_end()
    assert orders[0] != orders[1]
    weighted = Batches(inputs, [7, 2], 4, np.zeros(10, int), 2, weights=np.arange(10) / 2)
    assert [part.tolist() for part in weighted[0]] == [[[7], [2]], [[1, 0], [1, 0]], [3.5, 1]]
    again = Batches(inputs, range(10), 4, np.zeros(10, int), 2, seed=3)
    assert again[0][0].ravel().tolist() == orders[0][:4]
