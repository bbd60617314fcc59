"""Numbers as they are written into JSON."""

import json

import numpy as np

from kidneyct.files.rounding import rounded


def test_numbers_become_plain_and_text_and_truths_stay():
    tree = {"a": np.float32(1 / 3), "b": {"n": 7, "flag": True, "name": "x"}, "zero": -1e-9}
    assert json.dumps(rounded(tree)) == '{"a": 0.333333, "b": {"n": 7, "flag": true, "name": "x"}, "zero": 0.0}'
    assert rounded({"a": 1 / 3}, 4) == {"a": 0.3333}
