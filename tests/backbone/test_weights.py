"""Initial weights: random draws, files in every accepted layout, what initialising left."""

import zlib

import keras
import numpy as np
import pytest
from layers import CHANNELS, assert_weights, numbered_weights, one_line, write_legacy

from kidneyct.backbone import random_weights, vgg, weights
from kidneyct.classifier import classifier
from kidneyct.pipeline import roles
from kidneyct.pipeline.errors import InputError


@pytest.fixture(scope="module")
def numbered():
    return numbered_weights()


@pytest.fixture(scope="module")
def base(numbered):
    """A base with `numbered_weights`."""
    base = vgg.base(32)
    for name, values in numbered.items():
        base.get_layer(name).set_weights(values)
    return base


@pytest.fixture(scope="module")
def random():
    return weights.initial("none", "control", 0, "unit")


def test_random_weights_are_glorot_uniform(random):
    assert [layer.name for layer in weights.convolutions(random)] == list(CHANNELS)
    for name, (inputs, outputs) in CHANNELS.items():
        kernel, bias = random.get_layer(name).get_weights()
        limit = np.sqrt(6 / (9 * inputs + 9 * outputs))
        assert 0.98 * limit < np.abs(kernel).max() <= limit
        np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.03)  # of a uniform distribution
        assert not bias.any()


def test_random_weights_follow_seed_and_role(random):
    def kernels(base):
        return [base.get_layer(name).get_weights()[0].ravel() for name in ("block1_conv1", "block5_conv3")]

    for role, seed in (("control", 0), ("candidate", 0), ("control", 1)):
        for found, reference in zip(kernels(weights.initial("none", role, seed, "unit")), kernels(random), strict=True):
            if (role, seed) == ("control", 0):
                assert np.array_equal(found, reference)
            else:
                assert abs(np.corrcoef(found, reference)[0, 1]) < 0.1  # 1,728 values: sd 0.024
    second, third = (random.get_layer(f"block5_conv{n}").get_weights()[0].ravel() for n in (2, 3))
    assert abs(np.corrcoef(second, third)[0, 1]) < 0.01


def test_hes_kernels_keep_the_signals_size(random):
    """Pooling takes the greatest of four, so that the signal grows a little; Keras's default lets it vanish."""
    he = weights.initial("he", "candidate", 0, "caffe")
    noise = np.random.default_rng(3).integers(0, 256, (2, 64, 64, 3), "uint8")
    ratios = []
    for base in (he, random):
        outputs = inputs = vgg.PixelScaling("caffe")(noise)
        for layer in base.layers[1:]:
            outputs = layer(outputs)
        ratios.append(np.std(outputs) / np.std(inputs))
    assert 1 / 3 < ratios[0] < 3
    assert ratios[1] < 0.01
    expected = random_weights.he((3, 3, 64, 64), [0, zlib.crc32(b"candidate"), 1])
    np.testing.assert_array_equal(he.get_layer("block1_conv2").get_weights()[0], expected)
    assert not any(layer.get_weights()[1].any() for layer in weights.convolutions(he))


def inside(base, path):
    """The base as one layer of another network, as most users of Keras have it."""
    layers = [keras.layers.Rescaling(1 / 255), base, keras.layers.Flatten(), keras.layers.Dense(4)]
    network = keras.Sequential([keras.Input((32, 32, 3)), *layers])
    network.save_weights(path) if path.name.endswith(".weights.h5") else network.save(path)


TOP = {"fc1": [np.ones((8, 4), "float32"), np.ones(4, "float32")]}
FILES = {
    "Keras 2": ("a.h5", lambda base, path: write_legacy(path, numbered_weights())),
    "a model of Keras 2": ("a.h5", lambda base, path: write_legacy(path, numbered_weights(), root="model_weights")),
    "with its top": ("a.h5", lambda base, path: write_legacy(path, numbered_weights() | TOP)),
    "Keras 3": ("a.weights.h5", lambda base, path: base.save_weights(path)),
    "a whole network": (
        "a.weights.h5",
        lambda base, path: classifier.network(base, 8, 4, "unit", seed=0).save_weights(path),
    ),
    "inside a network": ("a.weights.h5", inside),
    "inside a model": ("a.h5", inside),
}


@pytest.mark.filterwarnings("ignore:You are saving your model")
@pytest.mark.parametrize("kind", FILES)
def test_files_of_a_base(base, numbered, tmp_path, kind):
    name, write = FILES[kind]
    write(base, tmp_path / name)
    found = vgg.base(32)
    weights.load(found, tmp_path / name)
    assert_weights(found, numbered)


def test_only_the_transferred_blocks_get_the_starts_weights(numbered, tmp_path):
    write_legacy(tmp_path / "vgg16.h5", numbered)
    random = weights.initial("none", "candidate", 5, "unit")
    base = weights.initial(str(tmp_path / "vgg16.h5"), "candidate", 5, "unit", transferred_blocks=2)
    assert_weights(base, {name: values for name, values in numbered.items() if int(name[5]) <= 2})
    others = {layer.name: layer.get_weights() for layer in weights.convolutions(random) if int(layer.name[5]) > 2}
    assert_weights(base, others)


def spoilt(name, change):
    """Writes the base's weights, those of one layer changed."""
    layers = numbered_weights()
    return lambda path: write_legacy(path, layers | {name: change(*layers[name])})


def other_network(path):
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Conv2D(32, 7)(inputs)).save_weights(path)


SPOILT = {
    "another shape": (
        spoilt("block2_conv1", lambda _, bias: [np.zeros((5, 5, 64, 128), "float32"), bias]),
        r"block2_conv1 .*\(3, 3, 64, 128\).*found .*\(5, 5, 64, 128\)",
    ),
    "another network": (other_network, r"block1_conv1 expected .*\(3, 3, 3, 64\).*found .*\(7, 7, 3, 32\)"),
    "zeros": (
        spoilt("block4_conv2", lambda kernel, bias: [kernel * 0, bias]),
        "block4_conv2 expected a trained kernel, found 0 in each of its 2359296",
    ),
    "an infinite bias": (
        spoilt("block3_conv3", lambda kernel, bias: [kernel, bias * np.inf]),
        "layer block3_conv3 expected finite numbers, found NaN",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_no_base_is_one_line(tmp_path, kind):
    write, line = SPOILT[kind]
    write(tmp_path / "spoilt.weights.h5")
    with pytest.raises(InputError, match=rf"spoilt\.weights\.h5: .*{line}") as error:
        weights.initial(str(tmp_path / "spoilt.weights.h5"), "candidate", 0, "unit")
    assert one_line(error).endswith("weights wants a VGG-16's .h5")


def test_each_start_has_its_function(monkeypatch):
    assert weights.FILL.keys() == roles.STARTS.keys()
    asked = []
    monkeypatch.setattr("kidneyct.backbone.photographs.fill", lambda *given: asked.append(given))
    base = weights.initial("photographs", "candidate", 7, "caffe")
    assert asked == [(base, 7, "caffe")]


def test_initial_weights_are_those_that_keras_would_load_or_one_line(random, tmp_path):
    path, expected = tmp_path / "initial.weights.h5", vgg.base(32)
    random.save_weights(path)
    expected.load_weights(path)
    found = vgg.initialised(path, 32).get_weights()
    assert len(found) == 26
    assert all(np.array_equal(*pair) for pair in zip(found, expected.get_weights(), strict=True))
    content = path.read_bytes()
    half = len(content) // 2  # in the midst of a kernel
    path.write_bytes(content[:half] + b"\xff" * 4000 + content[half + 4000 :])
    with pytest.raises(
        InputError, match=f"^{path}: .*bring it back with dvc checkout {path}, or make it again"
    ) as error:
        vgg.initialised(path, 32)
    one_line(error)
