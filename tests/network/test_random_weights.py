"""Random kernels against the generator's published numbers and TensorFlow's own."""

import keras
import numpy as np
import pytest

from kidneyct.network import random_weights


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # the known answers of Random123, the authors' library, for philox4x32-10
        ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_the_generator_gives_its_known_answers(counter, key, words):
    assert [int(word) for word in random_weights._philox(counter, key)] == words


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
