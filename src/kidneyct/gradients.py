"""The gradient of a class score: the one thing that each Keras backend does its own way."""

import keras
import numpy as np


def score_gradient(model, inputs, classes):
    """Gradient of each image's class score with respect to its input, in the shape of `inputs`.

    `model` maps (n, ...) inputs to (n, classes) scores before the softmax; `classes` (n,) says which score
    of each image. The model must treat images one by one (no batch statistics).
    """
    inputs = np.asarray(inputs, "float32")
    chosen = keras.ops.one_hot(np.asarray(classes), model.output.shape[-1])  # (n, classes)

    def total(x):
        # An input touches its own image's score alone, so the sum's gradient holds every image's own.
        return keras.ops.sum(keras.ops.cast(model(x, training=False), "float32") * chosen)

    return _GRADIENTS[keras.backend.backend()](total, inputs)


def _tensorflow(total, inputs):
    import tensorflow as tf

    x = tf.convert_to_tensor(inputs)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = total(x)
    return tape.gradient(value, x).numpy()


def _jax(total, inputs):
    import jax

    return np.asarray(jax.grad(total)(jax.numpy.asarray(inputs)))


def _torch(total, inputs):
    import torch

    x = keras.ops.convert_to_tensor(inputs).requires_grad_(True)
    return torch.autograd.grad(total(x), x)[0].detach().cpu().numpy()


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
