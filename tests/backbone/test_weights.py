"""Initial weights: random draws, files in every accepted layout, Keras's ImageNet file."""

import zlib

import keras
import numpy as np
import pytest
from layers import CHANNELS, assert_weights, numbered_weights, one_line, write_legacy

from kidneyct.backbone import random_weights, vgg, weights
from kidneyct.classifier import classifier
from kidneyct.pipeline import roles
from kidneyct.pipeline.errors import InputError


def filled_base():
    base = vgg.base(32)
    for name, values in numbered_weights().items():
        base.get_layer(name).set_weights(values)
    return base


def test_random_weights_are_glorot_uniform():
    base = weights.initial("none", "control", 0, "unit")
    assert [layer.name for layer in weights.convolutions(base)] == list(CHANNELS)
    for name, (inputs, outputs) in CHANNELS.items():
        kernel, bias = base.get_layer(name).get_weights()
        limit = np.sqrt(6 / (9 * inputs + 9 * outputs))
        assert np.abs(kernel).max() <= limit
        assert np.abs(kernel).max() > 0.98 * limit
        np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.03)  # of a uniform distribution
        assert not bias.any()
    # 9 · 3 + 9 · 64 = 603 inputs and outputs in the first layer: sqrt(6 / 603) = 0.09975
    assert 0.0977 < np.abs(base.get_layer("block1_conv1").get_weights()[0]).max() <= 0.09976


def test_random_weights_follow_seed_and_role():
    def first_and_last(role, seed):
        base = weights.initial("none", role, seed, "unit")
        return [base.get_layer(name).get_weights()[0] for name in ("block1_conv1", "block5_conv3")]

    control = first_and_last("control", 0)
    for found, again in zip(first_and_last("control", 0), control, strict=True):
        np.testing.assert_array_equal(found, again)
    for other in (first_and_last("candidate", 0), first_and_last("control", 1)):
        for found, reference in zip(other, control, strict=True):
            assert abs(np.corrcoef(found.ravel(), reference.ravel())[0, 1]) < 0.1  # 1,728 values: sd 0.024
    second, third = (weights.initial("none", "control", 0, "unit").get_layer(f"block5_conv{n}") for n in (2, 3))
    assert abs(np.corrcoef(second.get_weights()[0].ravel(), third.get_weights()[0].ravel())[0, 1]) < 0.01


def _spread(base, pixel_scaling):
    """The deviation of what enters the base and of what leaves its last block."""
    noise = np.random.default_rng(3).integers(0, 256, (4, 64, 64, 3), "uint8")
    outputs = inputs = vgg.PixelScaling(pixel_scaling)(noise)
    for layer in base.layers[1:]:
        outputs = layer(outputs)
    return np.std(inputs), np.std(outputs)


@pytest.mark.parametrize("pixel_scaling", ["unit", "caffe"])
def test_hes_kernels_keep_the_signals_size(pixel_scaling):
    """Pooling takes the greatest of four, so that the signal grows a little; Keras's default lets it vanish."""
    base = weights.initial("he", "candidate", 0, pixel_scaling)
    before, behind = _spread(base, pixel_scaling)
    assert 1 / 3 < behind / before < 3
    np.testing.assert_array_equal(
        base.get_layer("block1_conv2").get_weights()[0],
        random_weights.he((3, 3, 64, 64), [0, zlib.crc32(b"candidate"), 1]),
    )
    assert not any(layer.get_weights()[1].any() for layer in weights.convolutions(base))
    before, behind = _spread(weights.initial("none", "candidate", 0, pixel_scaling), pixel_scaling)
    assert behind / before < 0.01


def test_the_scale_of_each_layer_only_multiplies_the_features():
    """A VGG-16 without biases is positively homogeneous, so that scale alone is no start of its own."""
    base, noise = vgg.base(32), np.random.default_rng(3).random((2, 32, 32, 3), "float32")
    weights.draw(base, "control", 0)
    features = base.predict(noise, verbose=0)
    factors = 2.0 ** np.random.default_rng(4).integers(-1, 4, 13)  # powers of two, so that rounding stays the same
    for layer, factor in zip(weights.convolutions(base), factors, strict=True):
        kernel, bias = layer.get_weights()
        layer.set_weights([factor * kernel, bias])
    assert factors.prod() > 1000
    np.testing.assert_array_equal(base.predict(noise, verbose=0), features * factors.prod())


def legacy(path, **options):
    write_legacy(path, numbered_weights(), **options)


def inside(path):
    """The base as one layer of another network, as most users of Keras have it."""
    layers = [keras.layers.Rescaling(1 / 255), filled_base(), keras.layers.Flatten(), keras.layers.Dense(4)]
    network = keras.Sequential([keras.Input((32, 32, 3)), *layers])
    network.save_weights(path) if path.name.endswith(".weights.h5") else network.save(path)


TOP = {"fc1": [np.ones((8, 4), "float32"), np.ones(4, "float32")]}
FILES = {
    "Keras 2": ("a.h5", legacy),
    "a model of Keras 2": ("a.h5", lambda path: legacy(path, root="model_weights")),
    "with its top": ("a.h5", lambda path: write_legacy(path, numbered_weights() | TOP)),
    "inside a model of Keras 2": ("a.h5", lambda path: legacy(path, root="model_weights/vgg16")),
    "Keras 3": ("a.weights.h5", lambda path: filled_base().save_weights(path)),
    "a whole network": (
        "a.weights.h5",
        lambda path: classifier.network(filled_base(), 8, 4, "unit", seed=0).save_weights(path),
    ),
    "inside a network": ("a.weights.h5", inside),
    "inside a model": ("a.h5", inside),
}


@pytest.mark.filterwarnings("ignore:You are saving your model")
@pytest.mark.parametrize("kind", FILES)
def test_files_of_a_base(tmp_path, kind):
    name, write = FILES[kind]
    write(tmp_path / name)
    base = vgg.base(32)
    weights.load(base, tmp_path / name)
    assert_weights(base, numbered_weights())


def spoilt(name, change):
    """Writes the base's weights, those of one layer changed, or without it."""
    layers = numbered_weights()
    layers[name] = change(*layers[name])
    return lambda path: write_legacy(path, {name: values for name, values in layers.items() if values})


def changed(place, value):
    def change(*values):
        values[place].flat[-1] = value
        return values

    return change


def other_network(path):
    inputs = keras.Input((32, 32, 3))
    keras.Model(inputs, keras.layers.Conv2D(32, 7)(inputs)).save_weights(path)


FINITE = "layer block3_conv3 expected finite numbers, found NaN"
SPOILT = {
    "no HDF5": (
        lambda path: path.write_bytes(b"PK, a zip, say"),
        "expected an HDF5 weights file, found another or a dam",
    ),
    "no file": (lambda path: None, "expected an HDF5 weights file, found No such file"),
    "no layer": (spoilt("block3_conv2", lambda *_: []), r"block3_conv2 .*\(3, 3, 256, 256\), \(256,\).*no such layer"),
    "another shape": (
        spoilt("block2_conv1", lambda _, bias: [np.zeros((5, 5, 64, 128), "float32"), bias]),
        r"block2_conv1 .*\(3, 3, 64, 128\).*found .*\(5, 5, 64, 128\)",
    ),
    "another network": (other_network, r"block1_conv1 expected .*\(3, 3, 3, 64\).*found .*\(7, 7, 3, 32\)"),
    "zeros": (
        spoilt("block4_conv2", lambda kernel, bias: [kernel * 0, bias]),
        "block4_conv2 expected a trained kernel, found 0 in each of its 2359296",
    ),
    "NaN": (spoilt("block3_conv3", changed(0, np.nan)), FINITE),
    "an infinite bias": (spoilt("block3_conv3", changed(1, np.inf)), FINITE),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_no_base_is_one_line(tmp_path, kind):
    write, line = SPOILT[kind]
    write(tmp_path / "spoilt.weights.h5")
    with pytest.raises(InputError, match=rf"spoilt\.weights\.h5: .*{line}") as error:
        weights.initial(str(tmp_path / "spoilt.weights.h5"), "candidate", 0, "unit")
    assert one_line(error).endswith("weights wants a VGG-16's .h5")


def test_transferred_blocks_alone_get_the_starts_weights(tmp_path):
    write_legacy(tmp_path / "vgg16.h5", numbered_weights())
    random = weights.initial("none", "candidate", 5, "unit")
    for blocks in (0, 2):
        base = weights.initial(str(tmp_path / "vgg16.h5"), "candidate", 5, "unit", transferred_blocks=blocks)
        for name, values in numbered_weights().items():
            expected = values if int(name[5]) <= blocks else random.get_layer(name).get_weights()
            for value, layer in zip(expected, base.get_layer(name).get_weights(), strict=True):
                np.testing.assert_array_equal(value, layer)


def test_each_start_has_its_function(monkeypatch):
    assert weights.FILL.keys() == roles.STARTS.keys()
    asked = []
    monkeypatch.setattr("kidneyct.backbone.photographs.fill", lambda *given: asked.append(given))
    base = weights.initial("photographs", "candidate", 7, "caffe")
    assert asked == [(base, 7, "caffe")]
