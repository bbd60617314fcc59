"""What Keras imports for nothing is left out of a start, and can be imported as always afterwards."""

import importlib
import os
import subprocess
import sys

import pytest

from kidneyct.backbone import omitted

PROGRAM = """
import sys
from kidneyct.backbone import classifier, devices, features, training, vgg
loaded = {"keras", "sklearn", "matplotlib", "jax"} & set(sys.modules)
assert loaded == {"keras"}, loaded
from sklearn.linear_model import LogisticRegression
from matplotlib.figure import Figure
"""


def test_a_start_imports_nothing_that_is_not_used():
    environment = os.environ | {"PYTHONPATH": "src", "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_packages_are_missing_meanwhile_only(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with omitted.left_out("colorsys", "json"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("colorsys")
        assert importlib.import_module("json").loads("1") == 1  # it had been imported
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)
