"""Layers, the frozen boundary, initial weights, running and training over rows, a score's gradient.

Knows neither how rows were chosen nor the study's files. The one room that imports Keras.
"""

import os

from kidneyct.network import notices

# TensorFlow then uses freed memory again. It would give each large array back to the system, which clears every page
# anew for the next one: half of the processor time of an Adam step on the paper's head, whose kernel alone has 75 MB.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")

with notices.left_out():
    import keras  # noqa: F401  the backend starts here, before any module of this room
