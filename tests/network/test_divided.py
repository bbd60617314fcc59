"""Batches divided among devices: two virtual ones, made of one CPU, learn what one learns, and go on likewise."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kidneyct.backbone import devices

PROGRAM = """
import json, sys
from pathlib import Path
import jax, keras
import numpy as np
from kidneyct.files import checkpoint
from kidneyct.backbone import devices, vgg
from kidneyct.training import training

inputs, codes = np.random.default_rng(0).normal(size=(23, 8, 8, 3)), np.arange(23) % 2
shares = set()

class Look(keras.layers.Layer):
    def call(self, x):
        def seen(found):
            shares.add((len(x), str(getattr(found, "spec", None))))

        jax.debug.inspect_array_sharding(x, callback=seen)
        return x

def build():
    devices.prepare(seed=1)
    layers = [
        keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
        Look(),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(2, activation="softmax"),
    ]
    model = vgg.chain((8, 8, 3), layers, "model")
    return model, model, inputs

class Interrupted(Exception):
    pass

class Work(checkpoint.Work):
    # Saves after each epoch, and is interrupted after some.
    def __init__(self, folder, saves):
        super().__init__(folder, "training")
        self.saves = saves

    def now_and_then(self, save):
        save()
        self.saves -= 1
        if not self.saves:
            raise Interrupted

def trained(among, saves):
    # 16 training images in batches of 5: the last has one alone; 7 validate.
    rows = range(16), range(16, 23)
    settings = {"learning_rates": [0.01], "epochs": 4, "batch_size": 5, "patience": 5, "seed": 1}
    with devices.divided("training", among):
        network, history, _ = training.search(build, codes, *rows, work=Work(sys.argv[1], saves), **settings)
    Path(sys.argv[1], "training.npz").unlink(missing_ok=True)
    return history.to_numpy().tolist(), [weight.tolist() for weight in network.get_weights()]

pair = keras.distribution.list_devices()
alone = trained(pair[:1], 9)
shares.clear()
both = trained(pair, 9)
seen = sorted(shares)
try:
    trained(pair, 2)
except Interrupted:
    resumed = trained(pair, 9)
print(json.dumps([pair, seen, alone, both, resumed]))
"""


def test_two_devices_learn_what_one_learns(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": "src",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *told, last = done.stdout.splitlines()
    pair, shares, alone, both, resumed = json.loads(last)
    assert pair == ["cpu:0", "cpu:1"]
    # Batches of 5 and 1 while training, of 5 and 2 in validation.
    assert shares == [[size, "P('batch',)"] for size in (1, 2, 5)]
    assert len(both[0]) == 4
    np.testing.assert_allclose(both[0], alone[0], rtol=1e-5)
    for weights in zip(both[1], alone[1], strict=True):
        np.testing.assert_allclose(*weights, atol=1e-6)
    assert resumed == both  # to the last bit
    assert told.count("training: each batch is divided among 2 GPUs") == 3
    assert "training: goes on at epoch 3 of 4, learning rate 0.01" in told


@pytest.mark.parametrize(("among", "told"), [([], ""), (["gpu:0"], ""), (["gpu:0", "gpu:1"], "one of 2 GPUs; ")])
def test_a_backend_that_uses_one_gpu_says_so(among, told, monkeypatch, capsys):
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    with devices.divided("training", among):
        pass
    assert capsys.readouterr().out == (told and f"training: tensorflow uses {told}KERAS_BACKEND=jax uses all\n")
