"""Random weights as Keras draws them by default."""

import keras
import numpy as np


def glorot(shape, entropy):
    """A kernel, Glorot-uniform (Glorot & Bengio 2010), float32, from a list of whole numbers such as [seed, number]."""
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
    return keras.ops.convert_to_numpy(keras.initializers.GlorotUniform(seed=seed)(shape))
