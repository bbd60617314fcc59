"""VGG-16 on Keras: its layers, the frozen boundary, initial weights, running over rows, a score's gradient.

Knows neither how rows were chosen nor the study's files. Keras starts here, before any module imports it: its settings
are those of this project, whatever the user's keras.json and environment say.
"""

import contextlib
import os
import subprocess
import sys

from kidneyct.pipeline.errors import InputError

BACKENDS = ("tensorflow", "jax")

os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"  # not what keras.json names
# TensorFlow then uses freed memory again. It would give each large array back to the system, which clears every page
# again for the next one: half of the processor time of an Adam step on the paper's head, whose kernel alone has 75 MB.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")

# TensorFlow's notices that it finds no GPU, which no environment variable stops.
NOTICES = ("-e", "Could not find cuda drivers", "-e", "before absl::InitializeLog")


@contextlib.contextmanager
def without_notices():
    """Leave the notices out of standard error; another process does it, so that a crash's last words arrive as well."""
    sys.stderr.flush()
    command = ["grep", "--line-buffered", "--text", "--invert-match", *NOTICES]
    # In a session of its own, or a terminal's Ctrl-C would reach it too.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=2, start_new_session=True) as filtering:
        own = os.dup(2)
        os.dup2(filtering.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)


# Keras and TensorFlow import these only for what is not used here: a third of the processor time of a start.
unused = {"sklearn", "matplotlib", "jax", "tensorflow"} - {os.environ["KERAS_BACKEND"]} - sys.modules.keys()
sys.modules.update(dict.fromkeys(unused))  # so that they look as if they were not installed
try:
    with without_notices():
        import keras

        bool(keras.src.utils.module_utils.tensorflow.available)  # found out for good: JAX's seeds would load it
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
