"""Initial weights: random draws, files in every accepted layout, Keras's ImageNet file."""

import os
import time
import zlib

import keras
import numpy as np
import pytest
from layers import CHANNELS, assert_weights, numbered_weights, one_line, write_legacy

from kidneyct.backbone import random_weights, vgg, weights
from kidneyct.classifier import classifier
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


def test_layers_of_one_shape_draw_different_weights():
    base = weights.initial("none", "control", 0, "unit")
    second, third = (base.get_layer(f"block5_conv{n}").get_weights()[0] for n in (2, 3))
    assert abs(np.corrcoef(second.ravel(), third.ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("root", ["/", "model_weights"])  # save_weights and save of Keras 2
def test_a_legacy_file(tmp_path, root):
    write_legacy(tmp_path / "vgg16.h5", numbered_weights(), root)
    assert_weights(weights.initial(str(tmp_path / "vgg16.h5"), "candidate", 0, "unit"), numbered_weights())


def test_a_legacy_file_with_top(tmp_path):
    top = {"fc1": [np.ones((8, 4), "float32"), np.ones(4, "float32")]}
    write_legacy(tmp_path / "vgg16.h5", numbered_weights() | top)
    assert_weights(weights.initial(str(tmp_path / "vgg16.h5"), "candidate", 0, "unit"), numbered_weights())


def test_a_base_saved_by_keras(tmp_path):
    filled_base().save_weights(tmp_path / "base.weights.h5")
    assert_weights(weights.initial(str(tmp_path / "base.weights.h5"), "candidate", 0, "unit"), numbered_weights())


def test_a_whole_network_saved_by_keras(tmp_path):
    network = classifier.network(filled_base(), 8, 4, "unit", seed=0)
    network.save_weights(tmp_path / "model.weights.h5")
    base = weights.initial(str(tmp_path / "model.weights.h5"), "candidate", 0, "unit")
    assert_weights(base, numbered_weights())


def test_equal_weights_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        keras.utils.clear_session()  # as in a stage's fresh process: Keras counts its unnamed input layers
        filled_base().save_weights(tmp_path / f"{name}.weights.h5")
        time.sleep(1.1)  # a time stamp of the file format would differ
    assert (tmp_path / "a.weights.h5").read_bytes() == (tmp_path / "b.weights.h5").read_bytes()


@pytest.mark.parametrize("path", ["imagnet", "x" * 5000, "a\0b", "\ud800", "two\nlines", "loop"])
def test_a_missing_file(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    os.symlink("loop", "loop")
    with pytest.raises(InputError) as error:
        weights.initial(path, "candidate", 0, "unit")
    assert "expected imagenet, none, he, photographs or the path" in one_line(error)
    assert "nothing at " in one_line(error)
    assert str(tmp_path) in one_line(error)
    assert "absolute path" in one_line(error)
    assert len(one_line(error)) < 500


def test_not_hdf5(tmp_path):
    (tmp_path / "weights.h5").write_bytes(b"PK\x03\x04 a zip, say")
    with pytest.raises(
        InputError, match=r"weights\.h5: expected an HDF5 weights file, found another or a dam"
    ) as error:
        weights.load(vgg.base(32), tmp_path / "weights.h5")
    assert one_line(error).endswith("weights wants a VGG-16's .h5")


def test_an_absent_layer(tmp_path):
    layers = numbered_weights()
    del layers["block3_conv2"]
    write_legacy(tmp_path / "short.h5", layers)
    with pytest.raises(InputError) as error:
        weights.load(vgg.base(32), tmp_path / "short.h5")
    for part in ("short.h5", "block3_conv2", "(3, 3, 256, 256)", "(256,)", "no such layer"):
        assert part in one_line(error)


def test_a_layer_of_another_shape(tmp_path):
    layers = numbered_weights()
    layers["block2_conv1"] = [np.zeros((5, 5, 64, 128), "float32"), np.zeros(128, "float32")]
    write_legacy(tmp_path / "other.h5", layers)
    with pytest.raises(InputError) as error:
        weights.load(vgg.base(32), tmp_path / "other.h5")
    for part in ("other.h5", "block2_conv1", "(3, 3, 64, 128)", "(5, 5, 64, 128)"):
        assert part in one_line(error)


def test_another_network_of_keras(tmp_path):
    inputs = keras.Input((32, 32, 3))
    network = keras.Model(inputs, keras.layers.Conv2D(32, 7)(inputs))
    network.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(InputError, match=r"block1_conv1 expected .*\(3, 3, 3, 64\).*found .*\(7, 7, 3, 32\)"):
        weights.load(vgg.base(32), tmp_path / "other.weights.h5")


def test_transferred_blocks_alone_get_the_starts_weights(tmp_path):
    write_legacy(tmp_path / "vgg16.h5", numbered_weights())
    random = weights.initial("none", "candidate", 5, "unit")
    for blocks in (0, 2):
        base = weights.initial(str(tmp_path / "vgg16.h5"), "candidate", 5, "unit", transferred_blocks=blocks)
        for name, values in numbered_weights().items():
            expected = values if int(name[5]) <= blocks else random.get_layer(name).get_weights()
            for value, layer in zip(expected, base.get_layer(name).get_weights(), strict=True):
                np.testing.assert_array_equal(value, layer)


def test_photographs_fill_the_base(monkeypatch):
    asked = []
    monkeypatch.setattr("kidneyct.backbone.photographs.fill", lambda *arguments: asked.append(arguments))
    base = weights.initial("photographs", "candidate", 7, "caffe")
    assert asked == [(base, 7, "caffe")]


def test_the_roles_own_output_is_no_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"model\.weights\.h5 is what this run is to write; copy it elsewhere"):
        weights.initial("models/candidate/model.weights.h5", "candidate", 0, "unit")


@pytest.mark.parametrize("value", [0, 0.5])
def test_a_kernel_that_is_the_same_everywhere(tmp_path, value):
    layers = numbered_weights()
    layers["block4_conv2"][0][...] = value
    write_legacy(tmp_path / "same.h5", layers)
    with pytest.raises(InputError) as error:
        weights.load(vgg.base(32), tmp_path / "same.h5")
    assert f"layer block4_conv2 expected a trained kernel, found {value} in each of its 2359296" in one_line(error)


@pytest.mark.parametrize("place", [0, 1])  # kernel, bias
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_number_that_is_none(tmp_path, place, value):
    layers = numbered_weights()
    layers["block3_conv3"][place].flat[-1] = value
    write_legacy(tmp_path / "nan.h5", layers)
    with pytest.raises(InputError, match=r"nan\.h5: layer block3_conv3 expected finite numbers, found NaN") as error:
        weights.load(vgg.base(32), tmp_path / "nan.h5")
    one_line(error)


def test_weights_that_pass_no_signal():
    base = weights.initial("none", "control", 0, "unit")
    kernel, bias = (layer := base.get_layer("block2_conv1")).get_weights()
    for values, found in (
        ([-np.abs(kernel), bias], "0"),
        ([kernel, bias - 1e9], "0"),
        ([np.full_like(kernel, 3e38), bias], "inf"),
    ):
        layer.set_weights(values)
        with pytest.raises(
            InputError, match=f"found {found} as the greatest value behind its layer block2_conv1 "
        ) as error:
            weights.check_signal(base, "unit")
        one_line(error)


def test_weights_without_a_signal_are_no_start(tmp_path):
    layers = numbered_weights()
    layers["block5_conv3"][1] -= 1e6
    write_legacy(tmp_path / "dead.h5", layers)
    with pytest.raises(InputError, match="found 0 as the greatest value behind its layer block5_conv3"):
        weights.initial(str(tmp_path / "dead.h5"), "candidate", 0, "caffe")
