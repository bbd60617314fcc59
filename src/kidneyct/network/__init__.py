"""Layers, the frozen boundary, initial weights, running and training over rows, a score's gradient.

Knows neither how rows were chosen nor the study's files. The one room that imports Keras.
"""

from kidneyct.network import notices

with notices.left_out():
    import keras  # noqa: F401  the backend starts here, before any module of this room
