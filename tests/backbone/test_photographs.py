"""Filters from photographs: patches and directions known by construction, the scale of the signal with depth."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import photographs, vgg

# 4 points at ±3 along (0.8, 0.6) and ±1 along (-0.6, 0.8), about the mean (10, 20).
# Covariance: 4.5 along the first direction, 0.5 along the second; the mean of its diagonal is 2.5.
PATCHES = np.array([10, 20]) + np.array([[2.4, 1.8], [-2.4, -1.8], [-0.6, 0.8], [0.6, -0.8]])


def test_filters_are_whitened_principal_directions():
    kernel, bias = photographs.filters(PATCHES, 4, np.random.default_rng(0))
    # sqrt(4.5 + 0.1 · 2.5) = 2.17945 and sqrt(0.5 + 0.25) = 0.86603
    expected = np.array([[0.8 / 2.17945, 0.6 / 2.17945], [-0.6 / 0.86603, 0.8 / 0.86603]]).T
    found = kernel[:, :2] * np.sign(kernel[1, :2])  # a direction's sign is free
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(kernel[:, 2:], -kernel[:, :2])
    # (10, 20) · (0.8, 0.6) = 20, (10, 20) · (-0.6, 0.8) = 10
    np.testing.assert_allclose(np.abs(bias[:2]), [20 / 2.17945, 10 / 0.86603], rtol=1e-4)
    responses = PATCHES @ kernel + bias
    np.testing.assert_allclose(responses.mean(axis=0), 0, atol=1e-5)
    # 4.5 / 4.75 and 0.5 / 0.75
    np.testing.assert_allclose(responses.var(axis=0), [0.94737, 0.66667] * 2, rtol=1e-4)
    # Fewer filters keep the direction of largest variance.
    fewer, _ = photographs.filters(PATCHES, 2, np.random.default_rng(0))
    np.testing.assert_allclose(np.abs(fewer), np.abs(kernel[:, [0, 2]]), rtol=1e-4)


def test_missing_filters_are_random_ones_of_unit_response():
    kernel, bias = photographs.filters(PATCHES, 8, np.random.default_rng(0))  # 2 directions give 4 filters
    responses = PATCHES @ kernel[:, 4:] + bias[4:]
    np.testing.assert_allclose(responses.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(responses.std(axis=0), 1, rtol=1e-4)
    other, _ = photographs.filters(PATCHES, 8, np.random.default_rng(1))
    assert not np.allclose(kernel[:, 4:], other[:, 4:])


def test_patches_are_cut_in_the_order_of_a_kernel_none_twice():
    # Value of image i, row r, column c, channel k: 1000 i + 100 r + 10 c + k.
    i, r, c, k = np.ogrid[0:2, 0:4, 0:5, 0:2]
    found = photographs.patches(1000 * i + 100 * r + 10 * c + k, 100, np.random.default_rng(0))
    assert found.shape == (2 * 2 * 3, 18)  # every inner place once
    corners = [1000 * i + 100 * r + 10 * c for i in (0, 1) for r in (0, 1) for c in (0, 1, 2)]
    assert sorted(found[:, 0].tolist()) == corners
    expected = [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121, 200, 201, 210, 211, 220, 221]
    np.testing.assert_array_equal(found[0] - found[0, 0], expected)
    sample = photographs.patches(np.arange(100.0).reshape(1, 10, 10, 1), 20, np.random.default_rng(0))
    assert sample.shape == (20, 9)
    assert len(np.unique(sample[:, 0])) == 20


def test_crops_come_from_both_photographs():
    crops = photographs.crops(np.random.default_rng(0))
    assert (crops.shape, crops.dtype) == ((32, 200, 200, 3), np.uint8)
    assert len({crop.tobytes() for crop in crops}) == 32


@pytest.fixture(scope="module")
def filled():
    """Bases of 64 pixels, two of one seed and one of another, from few crops and few patches."""
    bases = [vgg.base(64) for _ in range(3)]
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (("CROPS", 4), ("CROP_SIZE", 64), ("PATCHES", 1000)):
            patched.setattr(photographs, name, value)
        for base, seed in zip(bases, (0, 0, 1), strict=True):
            photographs.fill(base, seed, "caffe")
        return bases, photographs.crops(np.random.default_rng(1))


def test_signal_keeps_its_scale_through_all_layers(filled):
    (base, *_), crops = filled
    x = vgg.PixelScaling("caffe")(crops)
    for layer in base.layers[1:]:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            responses = keras.ops.convert_to_numpy(keras.ops.conv(x, kernel, padding="valid") + bias)
            assert 0.1 < responses.std() < 3, layer.name
            assert abs(responses.mean()) < 0.5 * responses.std(), layer.name
        x = layer(x)
    assert 0.05 < keras.ops.convert_to_numpy(x).std() < 5
    kernel, bias = base.get_layer("block2_conv1").get_weights()  # 128 filters, 576 directions
    np.testing.assert_allclose(kernel[..., 64:], -kernel[..., :64])
    np.testing.assert_allclose(bias[64:], -bias[:64], rtol=1e-4, atol=1e-5)


def test_the_seed_decides(filled):
    first, again, other = (base.get_weights() for base in filled[0])
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.allclose(first[0], other[0])
    assert not np.allclose(first[-2], other[-2])
