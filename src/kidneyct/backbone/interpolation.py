"""Maps brought to another size."""

import keras
import numpy as np


def resize(maps, size):
    """Maps (n, h', w') brought to `size` (h, w) bilinearly, (n, h, w) float32."""
    if maps.shape[1:] == tuple(size):
        return np.asarray(maps, "float32")
    maps = np.asarray(maps, "float32")[..., None]
    return keras.ops.convert_to_numpy(keras.ops.image.resize(maps, size, interpolation="bilinear"))[..., 0]
