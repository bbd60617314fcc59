"""What the user has set for Keras and the backend does not change what is computed."""

import json
import os
import subprocess
import sys

PROGRAM = """
import sys
from kidneyct.backbone import devices, vgg
import keras
import numpy as np
assert not {"sklearn", "matplotlib", "jax"} & sys.modules.keys(), "imported for nothing"
from sklearn.linear_model import LogisticRegression  # can be imported afterwards
devices.prepare(0)
layers = [keras.layers.Conv2D(2, 3, kernel_initializer="ones"), keras.layers.BatchNormalization()]
model = vgg.chain((4, 5, 3), layers, "model")
model.compile("adam", "mse")
images = np.random.default_rng(0).random((2, 4, 5, 3), "float32")
history = model.fit(images, np.zeros((2, 2, 3, 2)), epochs=2, verbose=0).history["loss"]
print(history, model.predict(images, verbose=0).tobytes().hex())
"""


def computed(home, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KERAS_", "TF_"))}
    environment |= {"PYTHONPATH": "src", "KERAS_HOME": str(home)} | variables
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_keras_json_and_limits_change_no_byte(tmp_path):
    (tmp_path / "own").mkdir()
    settings = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "jax"}
    (tmp_path / "own/keras.json").write_text(json.dumps(settings))
    expected = computed(tmp_path / "none")
    assert expected.count(",") == 1  # two epochs
    assert computed(tmp_path / "own", KERAS_MAX_EPOCHS="1", KERAS_MAX_STEPS_PER_EPOCH="1") == expected
