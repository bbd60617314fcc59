"""The head on a base, its batches and its predictions."""

from kidneyct import backbone  # noqa: F401  which starts Keras as this project needs it
