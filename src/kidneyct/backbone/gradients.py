"""The gradient of a class score: the one thing that each Keras backend does its own way."""

import keras
import numpy as np

from kidneyct.backbone import backpropagation


def backward(*parts):
    """A function of (inputs, classes) that gives what enters each part and the class score's gradient there.

    `parts` are models that follow one another: inputs (n, ...) into the first, scores (n, classes) before the
    softmax out of the last. `classes` (n,) says which score of each image. The function returns a pair
    (values, gradient) a part, arrays of one shape; one backward pass serves all. The parts must treat images
    one by one (no batch statistics). The function stays valid when the parts' weights change, and making it
    again costs a compilation, so keep it where many batches follow.
    """
    own = _jax if keras.backend.backend() == "jax" else _tensorflow
    compiled = backpropagation.function(parts, own) or own(parts)
    scores = parts[-1].output.shape[-1]

    def call(inputs, classes):
        inputs = np.asarray(inputs, "float32")
        chosen = np.eye(scores, dtype="float32")[np.asarray(classes)]  # (n, scores)
        values, slopes = compiled(inputs, chosen)
        return [
            tuple(np.asarray(keras.ops.convert_to_numpy(array), "float32") for array in pair)
            for pair in zip(values, slopes, strict=True)
        ]

    return call


def _total(scores, chosen):
    # An input touches its own image's score alone, so the sum's gradient holds every image's own.
    return keras.ops.sum(keras.ops.cast(scores, "float32") * chosen)


def _tensorflow(parts):
    import tensorflow as tf

    batch = tf.TensorSpec((None, *parts[0].input.shape[1:]), "float32")
    chosen = tf.TensorSpec((None, parts[-1].output.shape[-1]), "float32")

    # A compiled function leaves out the gradients of the kernels, which the tape would compute all the same.
    @tf.function(input_signature=[batch, chosen])
    def run(inputs, chosen):
        values = [inputs]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            for part in parts:
                values.append(part(values[-1], training=False))
            total = _total(values.pop(), chosen)
        return values, tape.gradient(total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    return run


def _jax(parts):
    import jax

    @jax.jit
    def compiled(weights, inputs, chosen):
        def score(shifts):
            values, x = [], inputs
            for part, variables, shift in zip(parts, weights, shifts, strict=True):
                values.append(x + shift)
                x, _ = part.stateless_call(*variables, values[-1], training=False)
            return _total(x, chosen), values

        shifts = [jax.numpy.zeros((len(inputs), *part.input.shape[1:])) for part in parts]
        slopes, values = jax.grad(score, has_aux=True)(shifts)
        return values, slopes

    def run(inputs, chosen):
        # Handed over, as what a compiled function finds for itself it takes for constant.
        lists = [(part.trainable_variables, part.non_trainable_variables) for part in parts]
        weights = [[[variable.value for variable in variables] for variables in pair] for pair in lists]
        return compiled(weights, inputs, chosen)

    return run
