"""What the backend computes on, and how to make it compute the same twice."""

import os
import time

import keras

LONG_SECONDS = 30 * 60


def gpus():
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


def warn_if_long(what, step, steps):
    """On a CPU, time `step()` once and say before the work starts where `steps` of it take over half an hour.

    Returns the estimate in seconds; 0 on a GPU, where nothing is timed.
    """
    if gpus():
        return 0
    step()  # compiles
    start = time.perf_counter()
    step()
    estimate = (time.perf_counter() - start) * steps
    if estimate > LONG_SECONDS:
        print(
            f"{what}: about {estimate / 3600:.1f} hours on this CPU; a GPU (pip install .[gpu]) shortens "
            "it; so do more model.frozen_blocks, fewer train.epochs or fewer explain.measured_images",
            flush=True,
        )
    return estimate
