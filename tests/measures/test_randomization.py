"""Cascading randomisation, on networks whose right answer is known."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import vgg
from kidneyct.classifier import classifier
from kidneyct.measures import randomization


def test_rank_correlation_by_hand():
    rising, none = np.array([[1.0, 2.0, 3.0, 4.0]]), np.zeros((1, 4))
    pairs = [(rising, rising**2), (rising, [[1, 3, 2, -4]]), (rising, none), (none, rising)]
    # Same order; two neighbours swapped: 1 - 6·2 / (4·15); the order is lost; there was none.
    found = [randomization.correlation(*pair) for pair in pairs]
    assert found == pytest.approx([1, 0.8, 0, np.nan], nan_ok=True)


def test_a_map_without_evidence_neither_survives_nor_falls(small):
    full = np.arange(8.0).reshape(2, 2, 2)
    maps = {"half": full * [[[1.0]], [[0.0]]], "empty": np.zeros((1, 2, 2))}
    table = randomization.cascade(small, lambda: maps, seed=0).set_index(["method", "image"])["correlation"]
    assert table["half", 0].tolist() == [1] * 5
    assert table["half", 1].isna().all()
    assert table["empty"].isna().all()


def test_vggs_blocks_from_the_scores_down():
    found = randomization.blocks(classifier.network(vgg.base(32), 4, 2, "unit", seed=0))
    assert list(found) == ["scores", "dense", "block5", "block4", "block3", "block2", "block1"]
    assert [len(layers) for layers in found.values()] == [1, 1, 3, 3, 3, 2, 2]


def test_the_cascade_randomises_from_the_top_and_restores(small):
    before, seen = small.get_weights(), []

    def explain():
        if len(seen) > 6:
            raise RuntimeError
        layers = [layer for layers in randomization.blocks(small).values() for layer in layers]
        seen.append([layer.get_weights()[0] for layer in layers])
        return {"constant": np.arange(4.0).reshape(1, 2, 2)}

    table = randomization.cascade(small, explain, seed=0)
    changed = [[not np.array_equal(*pair) for pair in zip(seen[0], now, strict=True)] for now in seen]
    assert changed == [[place < step for place in range(4)] for step in range(5)]
    assert table["step"].tolist() == ["trained", "scores", "dense", "block5", "block1"]
    # A map that never looks at the weights is found out.
    assert table["correlation"].tolist() == pytest.approx([1] * 5)
    with pytest.raises(RuntimeError):
        randomization.cascade(small, explain, seed=0)
    assert all(np.array_equal(*pair) for pair in zip(before, small.get_weights(), strict=True))


def test_a_random_kernel_has_kerass_default_spread_and_no_bias():
    layer = keras.layers.Dense(300)
    layer.build((None, 200))
    layer.set_weights([np.full((200, 300), 9.0), np.full(300, 9.0)])
    randomization.randomize(layer, seed=0)
    kernel, bias = layer.get_weights()
    assert not bias.any()
    assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / 500), rel=0.01)
