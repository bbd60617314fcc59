"""Layers, the frozen boundary, initial weights, running and training over rows, a score's gradient.

Knows neither how rows were chosen nor the study's files. The one room that imports Keras.
"""

import os

from kidneyct.backbone import notices, omitted
from kidneyct.pipeline.errors import InputError

BACKENDS = ("tensorflow", "jax", "torch")

# Keras imports these for its wrappers of scikit-learn and its galleries of images, TensorFlow imports JAX for its
# converter to TFLite. A third of the processor time of a start, where all of them are installed.
UNUSED = ("sklearn", "matplotlib", *(["jax"] if os.environ.get("KERAS_BACKEND") == "tensorflow" else []))

# TensorFlow then uses freed memory again. It would give each large array back to the system, which clears every page
# anew for the next one: half of the processor time of an Adam step on the paper's head, whose kernel alone has 75 MB.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")

try:
    with notices.left_out(), omitted.left_out(*UNUSED):
        import keras  # the backend starts here, before any module of this room
except (ImportError, ValueError) as error:
    raise InputError(
        f"Keras can't start ({error}); KERAS_BACKEND may be {', '.join(BACKENDS)}, whichever is installed (docs/gpu.md)"
    ) from None
if keras.backend.backend() not in BACKENDS:
    raise InputError(f"KERAS_BACKEND: expected one of {', '.join(BACKENDS)}, found {keras.backend.backend()}")
