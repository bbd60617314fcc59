"""Random kernels against the generator's published numbers and TensorFlow's own."""

import keras
import numpy as np
import pytest

from kidneyct.backbone import random_weights


def test_hes_kernels_are_normal_with_variance_two_by_inputs():
    kernel = random_weights.he((3, 3, 64, 128), [0, 5])
    assert (kernel.shape, kernel.dtype) == ((3, 3, 64, 128), np.float32)
    # 9 · 64 inputs: sqrt(2 / 576) = 0.05893; of 73,728 values the deviation's standard error is 0.0026 of that.
    assert kernel.std() == pytest.approx(0.05893, rel=0.01)
    assert kernel.mean() == pytest.approx(0, abs=4 * 0.05893 / np.sqrt(73728))
    assert np.mean(np.abs(kernel) > 2 * 0.05893) == pytest.approx(0.0455, abs=0.004)  # beyond two deviations
    np.testing.assert_array_equal(kernel, random_weights.he((3, 3, 64, 128), [0, 5]))
    for other in ([1, 5], [0, 6]):
        assert abs(np.corrcoef(kernel.ravel(), random_weights.he(kernel.shape, other).ravel())[0, 1]) < 0.02
    # Another release of NumPy may draw other normals: then a study's draws would be others too.
    expected = [0.10296768, -0.98052716, -0.8174783, -1.0278819, -0.5744589, 1.9711298]
    np.testing.assert_allclose(random_weights.he((1, 1, 2, 3), [0, 1]).ravel(), expected, rtol=1e-6)


# The last seed is the greatest that params.yaml allows, and one more for the head's second layer.
@pytest.mark.parametrize(
    ("shape", "seed"),
    [((3, 3, 3, 64), 0), ((18432, 4), 1), ((1, 1), 2**31 - 2), ((5, 7), 2**31 - 1), ((512, 16), 2**32 - 1)],
)
def test_kernels_are_tensorflows_bit_by_bit(shape, seed, monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("of TensorFlow alone")
    expected = keras.ops.convert_to_numpy(keras.initializers.GlorotUniform(seed)(shape))
    for blocks in (random_weights.BLOCKS, 1000):
        monkeypatch.setattr(random_weights, "BLOCKS", blocks)
        found = random_weights.keras_glorot(shape, seed)
        assert found.dtype == np.float32
        assert found.tobytes() == expected.tobytes()
