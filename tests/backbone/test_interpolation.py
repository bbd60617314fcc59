"""Maps brought to another size."""

import numpy as np

from kidneyct.backbone import interpolation


def test_resizing_is_bilinear():
    small = np.array([[[0.0, 4.0]]])
    assert interpolation.resize(small, (1, 4)).tolist() == [[[0, 1, 3, 4]]]
    assert interpolation.resize(small, (1, 2)).tolist() == small.tolist()
