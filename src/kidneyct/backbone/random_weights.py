"""Random kernels, the same on every backend and device: Glorot-uniform as Keras draws them by default, or He-normal.

Each Keras backend has a generator of its own. Glorot's kernels come from TensorFlow's, Philox-4x32-10 (Salmon et al.
2011, "Parallel random numbers: as easy as 1, 2, 3"), with the bits that TensorFlow makes of it; He's from NumPy's.
"""

import math

import numpy as np

ROUNDS = 10
FACTORS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
STEPS = 0x9E3779B9, 0xBB67AE85  # of the key, from round to round
HALF, LOW, MANTISSA = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(0x7FFFFF)
BLOCKS = 16384  # of four numbers that are drawn together, so that they stay in the processor's cache


def glorot(shape, entropy):
    """A kernel, Glorot-uniform (Glorot & Bengio 2010), float32, from a list of whole numbers such as [seed, number]."""
    return keras_glorot(shape, int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1))


def he(shape, entropy):
    """A kernel, normal with variance 2 / inputs of an output (He et al. 2015, equation 10), float32; as `glorot`."""
    deviation = math.sqrt(2 / math.prod(shape[:-1]))
    return np.random.default_rng(entropy).normal(0, deviation, shape).astype("float32")


def keras_glorot(shape, seed):
    """What `keras.initializers.GlorotUniform(seed)` draws on TensorFlow, bit by bit: (..., inputs, outputs) float32."""
    *positions, inputs, outputs = shape
    fans = math.prod(positions) * (inputs + outputs)
    limit = math.sqrt(3 * (1 / max(1, fans / 2)))
    low, high = np.float32(-limit), np.float32(limit)
    # The seed itself is mixed first, so that seeds that follow one another give unlike numbers.
    first, second, *upper = map(int, _philox((seed % (2**31 - 2), 0, 0, 0), (0x3EC8F720, 0x02461E29)))
    values = np.empty((-(-math.prod(shape) // 4), 4), np.float32)
    for start in range(0, len(values), BLOCKS):
        part = values[start : start + BLOCKS]
        words = _philox((np.arange(start, start + len(part)), 0, *upper), (first, second))
        for place, word in enumerate(words):
            mantissa = (word & MANTISSA).astype(np.uint32) | np.uint32(0x3F800000)  # of a number from 1 up to 2
            part[:, place] = (mantissa.view(np.float32) - np.float32(1)) * (high - low) + low
    return values.ravel()[: math.prod(shape)].reshape(shape)


def _philox(counter, key):
    """Four words of 32 bits, in 64, from a counter of four and a key of two."""
    a, b, c, d = (np.asarray(word, np.uint64) for word in counter)
    for number in range(ROUNDS):
        left, right = (np.uint64((word + number * step) & 0xFFFFFFFF) for word, step in zip(key, STEPS, strict=True))
        first, third = a * FACTORS[0], c * FACTORS[1]
        a, b, c, d = (third >> HALF) ^ b ^ left, third & LOW, (first >> HALF) ^ d ^ right, first & LOW
    return a, b, c, d
