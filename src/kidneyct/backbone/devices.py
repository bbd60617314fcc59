"""What the backend computes on, and how to make it compute the same twice."""

import os

import keras


def gpus():
    """Names of the GPUs that the backend sees, such as gpu:0."""
    return [device for device in keras.distribution.list_devices() if not device.startswith("cpu")]


def describe(precision):
    """One line: backend, device and precision."""
    found = gpus()
    device = f"{len(found)} GPU ({', '.join(found)})" if found else f"CPU, {os.cpu_count()} cores"
    return f"{keras.backend.backend()} on {device}, {precision}"


def precision():
    """The precision that `prepare` set."""
    return keras.config.dtype_policy().name


def prepare(seed, precision="float32"):
    """Fix every random draw and, on TensorFlow, the order of sums; set the precision policy."""
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
