"""Layers, the frozen boundary, initial weights, running and training over rows, a score's gradient.

Knows neither how rows were chosen nor the study's files. The one room that imports Keras, which begins here, before any
module of this room: its settings are those of this project, whatever the user's keras.json and environment say.
"""

import os
import sys

from kidneyct.backbone import notices
from kidneyct.pipeline.errors import InputError

BACKENDS = ("tensorflow", "jax")

os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"  # not what keras.json names
# TensorFlow then uses freed memory again. It would give each large array back to the system, which clears every page
# anew for the next one: half of the processor time of an Adam step on the paper's head, whose kernel alone has 75 MB.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")

# Keras and TensorFlow import these only for what is not used here: a third of the processor time of a start.
unused = {"sklearn", "matplotlib", "jax"} - {os.environ["KERAS_BACKEND"]} - sys.modules.keys()
sys.modules.update(dict.fromkeys(unused))  # so that they look as if they were not installed
try:
    with notices.left_out():
        import keras
except (ImportError, ValueError) as error:
    raise InputError(
        f"Keras can't start ({error}); KERAS_BACKEND may be {' or '.join(BACKENDS)}, if installed (docs/gpu.md)"
    ) from None
finally:
    for name in unused:
        del sys.modules[name]
if keras.backend.backend() not in BACKENDS:
    raise InputError(f"KERAS_BACKEND: expected {' or '.join(BACKENDS)}, found {keras.backend.backend()}")

keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
keras.config.set_max_epochs(None)
keras.config.set_max_steps_per_epoch(None)
