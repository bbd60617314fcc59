"""Filters from photographs: patches and directions known by construction, the scale of the signal with depth."""

import functools

import keras
import numpy as np
import pytest

from kidneyct.backbone import photographs, vgg


def rotated_patches():
    """4 points at ±3 along (0.8, 0.6) and ±1 along (-0.6, 0.8), about the mean (10, 20).

    Covariance: 4.5 along the first direction, 0.5 along the second; the mean of its diagonal is 2.5.
    """
    first, second = np.array([0.8, 0.6]), np.array([-0.6, 0.8])
    return np.array([10, 20]) + np.array([3 * first, -3 * first, second, -second])


def test_filters_are_whitened_principal_directions():
    kernel, bias = photographs.filters(rotated_patches(), 4, np.random.default_rng(0))
    # sqrt(4.5 + 0.1 · 2.5) = 2.17945 and sqrt(0.5 + 0.25) = 0.86603
    expected = np.array([[0.8 / 2.17945, 0.6 / 2.17945], [-0.6 / 0.86603, 0.8 / 0.86603]]).T
    found = kernel[:, :2] * np.sign(kernel[1, :2])  # a direction's sign is free
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(kernel[:, 2:], -kernel[:, :2])
    # (10, 20) · (0.8, 0.6) = 20, (10, 20) · (-0.6, 0.8) = 10
    np.testing.assert_allclose(np.abs(bias[:2]), [20 / 2.17945, 10 / 0.86603], rtol=1e-4)
    responses = rotated_patches() @ kernel + bias
    np.testing.assert_allclose(responses.mean(axis=0), 0, atol=1e-5)
    # 4.5 / 4.75 and 0.5 / 0.75
    np.testing.assert_allclose(responses.var(axis=0), [0.94737, 0.66667] * 2, rtol=1e-4)


def test_fewer_filters_keep_the_directions_of_largest_variance():
    kernel, _ = photographs.filters(rotated_patches(), 2, np.random.default_rng(0))
    assert kernel.shape == (2, 2)
    np.testing.assert_allclose(np.abs(kernel[:, 0]), [0.8 / 2.17945, 0.6 / 2.17945], rtol=1e-4)


def test_missing_filters_are_random_ones_of_unit_response():
    patches = rotated_patches()
    kernel, bias = photographs.filters(patches, 8, np.random.default_rng(0))  # 2 directions give 4 filters
    responses = patches @ kernel[:, 4:] + bias[4:]
    np.testing.assert_allclose(responses.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(responses.std(axis=0), 1, rtol=1e-4)
    other, _ = photographs.filters(patches, 8, np.random.default_rng(1))
    assert not np.allclose(kernel[:, 4:], other[:, 4:])


def test_patches_are_cut_in_the_order_of_a_kernel():
    # Value of image i, row r, column c, channel k: 1000 i + 100 r + 10 c + k.
    i, r, c, k = np.ogrid[0:2, 0:4, 0:5, 0:2]
    activations = 1000 * i + 100 * r + 10 * c + k
    found = photographs.patches(activations, 100, np.random.default_rng(0))
    assert found.shape == (2 * 2 * 3, 18)  # every inner place once
    corners = [1000 * i + 100 * r + 10 * c for i in (0, 1) for r in (0, 1) for c in (0, 1, 2)]
    assert sorted(found[:, 0].tolist()) == corners
    np.testing.assert_array_equal(
        found[0] - found[0, 0],
        [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121, 200, 201, 210, 211, 220, 221],
    )


def test_a_sample_of_patches_repeats_none():
    activations = np.arange(10 * 10, dtype="float32").reshape(1, 10, 10, 1)
    found = photographs.patches(activations, 20, np.random.default_rng(0))
    assert found.shape == (20, 9)
    assert len(np.unique(found[:, 0])) == 20


def test_crops_come_from_both_photographs():
    crops = photographs.crops(np.random.default_rng(0))
    assert crops.shape == (32, 200, 200, 3)
    assert crops.dtype == np.uint8
    assert len({crop.tobytes() for crop in crops}) == 32


@pytest.fixture
def small(monkeypatch):
    """A tenth of a minute's work instead of one: few crops, few patches."""
    monkeypatch.setattr(photographs, "CROPS", 4)
    monkeypatch.setattr(photographs, "CROP_SIZE", 96)
    monkeypatch.setattr(photographs, "PATCHES", 1000)


@functools.cache
def filled(seed, pixel_scaling="unit"):
    base = vgg.base(96)
    photographs.fill(base, seed, pixel_scaling)
    return base


@pytest.mark.parametrize("pixel_scaling", ["unit", "caffe"])
def test_signal_keeps_its_scale_through_all_layers(small, pixel_scaling):
    base = filled(0, pixel_scaling) if pixel_scaling != "unit" else filled(0)
    x = vgg.PixelScaling(pixel_scaling)(photographs.crops(np.random.default_rng(1)))
    for layer in base.layers[1:]:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            responses = keras.ops.convert_to_numpy(keras.ops.conv(x, kernel, padding="valid") + bias)
            assert 0.1 < responses.std() < 3, layer.name
            assert abs(responses.mean()) < 0.5 * responses.std(), layer.name
        x = layer(x)
    features = keras.ops.convert_to_numpy(x)
    assert 0.05 < features.std() < 5


def test_half_of_a_layer_is_the_negative_of_the_other(small):
    kernel, bias = filled(0).get_layer("block2_conv1").get_weights()  # 128 filters, 576 directions
    np.testing.assert_allclose(kernel[..., 64:], -kernel[..., :64])
    np.testing.assert_allclose(bias[64:], -bias[:64], rtol=1e-4, atol=1e-5)


def test_the_seed_decides(small):
    again = vgg.base(96)
    photographs.fill(again, 0, "unit")
    first, again, other = filled(0).get_weights(), again.get_weights(), filled(1).get_weights()
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.allclose(first[0], other[0])
    assert not np.allclose(first[-2], other[-2])
