"""From initial weights to maps on JAX, if it is installed, against TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import backend_run
import numpy as np
import pytest
from tiny import ROOT

# Greatest difference, as a share of an array's greatest value. Maps are gradients through units that may fall on
# either side of zero.
TOLERANCE = {"features": 1e-3, "normalized": 1e-2, "trained block5": 1e-3, "trained dense": 1e-5, "probabilities": 1e-3}
MAPS = {"saliency": 0.05, "smoothgrad": 0.1, "integrated_gradients": 0.1, "gradcam": 0.01, "gradcam_plus_plus": 0.01}


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="jax is not installed")
def test_it_gives_what_tensorflow_gives(tmp_path, monkeypatch):
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, ROOT / "tests/backend_run.py", tmp_path / "jax.npz"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    with np.load(tmp_path / "jax.npz") as arrays:
        found = dict(arrays)
    assert (found.pop("backend"), bool(found.pop("loaded"))) == ("jax", False)  # TensorFlow is not even loaded
    backend_run.pretend(monkeypatch.setattr)
    expected = backend_run.compute()
    for name in ("initial block1", "initial block5", "initial dense"):
        assert np.array_equal(found[name], expected[name])
    shares = backend_run.differences(expected, found)
    for name, share in (TOLERANCE | MAPS | {"history": 1e-4}).items():
        assert shares[name] <= share, name
    assert found["saliency"].max() > 0
