"""A whole network over pictures in memory."""

import numpy as np
import pytest

from kidneyct.network import classifier, devices, pictures, vgg


@pytest.mark.parametrize("gpus", [[], ["gpu:0"]])
def test_a_network_as_it_now_is(gpus, monkeypatch):
    monkeypatch.setattr(devices, "gpus", lambda: gpus)
    network = classifier.network(vgg.base(32), 8, 3, "unit", seed=0)
    for layer in network.layers[:-2]:  # so that a random start's signal does not fade
        layer.set_weights([weight * 2 for weight in layer.get_weights()])
    given = np.random.default_rng(4).uniform(0, 255, (5, 32, 32, 3)).astype("float32")
    given[0] = 0
    found, expected = pictures.classifier(network, batch_size=2)(given), network.predict_on_batch(given)
    assert found == pytest.approx(expected, abs=1e-4)
    assert np.ptp(expected, axis=0).max() > 1e-2  # the pictures differ
