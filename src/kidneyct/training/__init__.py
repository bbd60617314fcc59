"""Fitting what is not frozen: augmentation, schedule, search over rates, early stopping."""

from kidneyct import backbone  # noqa: F401  which starts Keras as this project needs it
