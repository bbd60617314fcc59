"""VGG-16's base: the pixels that enter it, and its parts."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import devices, features, vgg
from kidneyct.classifier import classifier
from kidneyct.pipeline.errors import InputError


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    devices.prepare(seed=0)
    return classifier.network(vgg.base(64), 8, 4, "unit", seed=0)


def test_caffe_scaling_is_keras_own(pixels):
    expected = keras.applications.vgg16.preprocess_input(pixels.astype("float32").copy())
    scaled = vgg.PixelScaling("caffe")(pixels)
    assert np.allclose(keras.ops.convert_to_numpy(scaled), expected, atol=1e-4)
    assert float(keras.ops.max(vgg.PixelScaling("unit")(pixels))) <= 1


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_the_two_parts_make_the_whole(network, pixels, blocks):
    whole = network.predict_on_batch(pixels)
    until = vgg.part(network, until=vgg.boundary(blocks)).predict_on_batch(pixels)
    assert until.shape[1:] == features.shape(64, blocks)
    parts = vgg.part(network, after=vgg.boundary(blocks)).predict_on_batch(until)
    assert np.allclose(parts, whole, atol=1e-6)


@pytest.fixture(scope="module")
def initial(tmp_path_factory):
    path = tmp_path_factory.mktemp("initial") / "initial.weights.h5"
    devices.prepare(seed=3)
    vgg.base(64).save_weights(path)
    return path


def test_initial_weights_are_those_that_keras_would_load(initial):
    expected = vgg.base(32)
    expected.load_weights(initial)
    found = vgg.initialised(initial, 32)
    assert len(found.get_weights()) == 26
    assert all(np.array_equal(*pair) for pair in zip(found.get_weights(), expected.get_weights(), strict=True))


def test_damaged_initial_weights_are_one_line(initial, tmp_path):
    path, content = tmp_path / "initial.weights.h5", initial.read_bytes()
    half = len(content) // 2  # in the midst of a kernel
    for damaged in (b"no HDF5", content[:half], content[:half] + b"\xff" * 4000 + content[half + 4000 :]):
        path.write_bytes(damaged)
        with pytest.raises(InputError) as caught:
            vgg.initialised(path, 32)
        (line,) = str(caught.value).splitlines()
        assert line.startswith(f"{path}: ")
        assert line.endswith(f"; bring it back with dvc checkout {path}, or make it anew with dvc repro")
    path.unlink()
    with pytest.raises(InputError, match="found No such file or directory; bring it back"):
        vgg.initialised(path, 32)
