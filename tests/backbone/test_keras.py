"""How Keras starts: under this project's settings, without TensorFlow's notices, freed memory being reused."""

import inspect
import json
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from kidneyct import backbone
from kidneyct.backbone import devices, vgg
from kidneyct.pipeline import errors


def trained():
    devices.prepare(0)
    layers = [keras.layers.Conv2D(2, 3, kernel_initializer="ones"), keras.layers.BatchNormalization()]
    model = vgg.chain((4, 5, 3), layers, "model")
    model.compile("adam", "mse")
    images = np.random.default_rng(0).random((2, 4, 5, 3), "float32")
    history = model.fit(images, np.zeros((2, 2, 3, 2)), epochs=2, verbose=0).history["loss"]
    return f"{history} {model.predict(images, verbose=0).tobytes().hex()}"


PROGRAM = f"""
import resource, sys
from kidneyct.backbone import devices, vgg
import keras
import numpy as np
import tensorflow as tf
assert not {{"sklearn", "matplotlib", "jax"}} & sys.modules.keys(), "imported for nothing"
from sklearn.linear_model import LogisticRegression  # can be imported afterwards

{inspect.getsource(trained)}

@tf.function
def largest(x):  # a few arrays of 64 MB come and go
    return tf.reduce_max(tf.sqrt(tf.square(x) + 1))

x, faults = tf.zeros(2**24), []
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    largest(x)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(faults[0], faults[-1])
print(trained())
"""


def test_a_keras_json_and_limits_change_no_byte_and_freed_memory_is_used_again(tmp_path):
    settings = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "jax"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "TF_"))}
    environment |= {"PYTHONPATH": "src", "KERAS_HOME": str(tmp_path)}
    environment |= {"KERAS_MAX_EPOCHS": "1", "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    faults, found = done.stdout.splitlines()
    assert found == trained()
    assert found.count(",") == 1  # two epochs
    first, last = map(int, faults.split())
    assert last < 2000 < first  # pages; 64 MB are 16,384 of them


def test_notices_are_left_out_and_all_else_is_not(capfd):
    with backbone.without_notices():
        os.write(2, b"I0000 cudart_stub.cc:31] Could not find cuda drivers on your machine\nE0000 a real error\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "E0000 a real error\nafter\n"


@pytest.mark.parametrize("start", [["stages"], ["kidneyct.__main__"]])
def test_ctrl_c_during_the_imports_is_one_line(start, tmp_path):
    """As a terminal sends it, to all processes of the group; an import stands still until it comes."""
    (tmp_path / "keras.py").write_text("import sys, time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    (tmp_path / "fake.py").write_text(f"import sys\nimport {start[0]}\nimport kidneyct.backbone\n")
    command = [sys.executable, "-c", "import sys; sys.argv[0] = sys.argv[1]; import fake"]
    command.append({"stages": "-m"}.get(start[0], "/bin/kidneyct"))
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}src{os.pathsep}."}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as running:
        assert running.stdout.readline() == "ready\n"
        os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=30)
    assert (running.returncode, told) == (130, "interrupted\n")


def test_what_runs_is_interrupted_as_always(capfd):
    """The quick end is for imports alone, and where Ctrl-C is ignored it stays so."""
    before = signal.getsignal(signal.SIGINT)
    try:
        errors.end_at_once()
        assert errors.run_main(lambda: signal.raise_signal(signal.SIGINT)) == errors.INTERRUPTED
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        errors.end_at_once()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == "interrupted\n"
