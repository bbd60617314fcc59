"""An external image's probabilities are computed as those of the study's own."""

import numpy as np
import pytest

from kidneyct.backbone import devices, features, vgg
from kidneyct.classifier import batches, classifier, external
from kidneyct.files import checkpoint
from kidneyct.pipeline.errors import InputError


@pytest.fixture(scope="module")
def network():
    devices.prepare(seed=0)
    return classifier.network(vgg.base(64), 8, 3, "unit", seed=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), np.uint8)


def test_the_same_picture_has_the_same_probabilities_as_in_the_study(network, images, tmp_path):
    (tmp_path / "work").mkdir()
    path = tmp_path / "features.npy"
    devices.prepare(seed=0)
    base = vgg.base(64)
    for layer in base.layers[1:]:
        layer.set_weights(network.get_layer(layer.name).get_weights())
    features.compute(
        base, images, "unit", 5, path, tmp_path / "pooled.npy", checkpoint.Checkpoint(tmp_path / "work", "features")
    )
    model, inputs = features.remainder(network, images, path, 5)
    own = batches.predict(model, inputs, np.arange(7), batch_size=32)
    found = external.predict(network, images, np.array([6, 1, 2]), 5, batch_size=2)
    assert found == pytest.approx(own[[6, 1, 2]], abs=1e-6)


def test_without_kept_features_the_whole_network_runs(network, images):
    found = external.predict(network, images, np.array([3, 0, 5]), 0, batch_size=2)
    assert found == pytest.approx(np.asarray(network.predict_on_batch(images[[3, 0, 5]])), abs=1e-6)


def test_a_batch_at_a_time_is_in_memory(network, images):
    served = []

    class Served(np.ndarray):
        def __getitem__(self, rows):
            served.append(len(rows))
            return np.asarray(self)[rows]

    external.predict(network, images.view(Served), np.arange(7), 5, batch_size=3)
    assert served == [3, 3, 1]


@pytest.mark.parametrize("blocks", [0, 5])
def test_no_number_is_no_probability(images, blocks):
    network = classifier.network(vgg.base(64), 8, 3, "unit", seed=0)
    layer = network.get_layer(classifier.SCORES)
    layer.set_weights([weights * np.nan for weights in layer.get_weights()])
    with pytest.raises(InputError, match=r"^the model gives no probabilities for 2 of 2 external images; lower "):
        external.predict(network, images, np.array([0, 4]), blocks, batch_size=2)
