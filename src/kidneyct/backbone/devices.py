"""What the backend computes on, one GPU or several, and how to make it compute the same twice."""

import contextlib
import os
import sys
import time

import keras

LONG_SECONDS = 30 * 60


def gpus():
    """Names of the GPUs that the backend sees, such as gpu:0."""
    if keras.backend.backend() == "torch":  # of which keras.distribution knows nothing
        from torch import accelerator

        kind = accelerator.current_accelerator()
        return [f"{kind.type}:{number}" for number in range(accelerator.device_count())] if kind else []
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
    _seed(seed)
    keras.config.set_dtype_policy(precision)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def _seed(seed):
    """keras.utils.set_random_seed, which by itself loads TensorFlow on another backend too, for seconds."""
    kept_out = keras.backend.backend() != "tensorflow" and "tensorflow" not in sys.modules
    if kept_out:
        sys.modules["tensorflow"] = None  # so that its import fails
    try:
        keras.utils.set_random_seed(seed)
    finally:
        if kept_out:
            del sys.modules["tensorflow"]


@contextlib.contextmanager
def divided(what, among):
    """Models built in the block compute each batch on several devices at once, a share on each.

    `among` are their names, as `gpus` gives them. Losses and steps are those of one device but for the order of sums,
    also where a batch can't be divided evenly. Keras can do that on JAX; another backend uses one device and says so.
    """
    backend, devices = keras.backend.backend(), len(among)
    if devices > 1 and backend == "jax":
        print(f"{what}: each batch is divided among {devices} GPUs", flush=True)
        with _Divided(devices=among, auto_shard_dataset=False).scope():
            yield
        return
    if devices > 1:
        print(f"{what}: {backend} uses one of {devices} GPUs; KERAS_BACKEND=jax uses all", flush=True)
    yield


class _Divided(keras.distribution.DataParallel):
    """Each device gets the whole batch and computes a share of it, layer by layer.

    DataParallel itself gives each its share and wants one of equal size.
    """

    def get_data_layout(self, data_shape):
        return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)

    def get_tensor_layout(self, path):
        return keras.distribution.TensorLayout([self.batch_dim_name], self.device_mesh)


def warn_if_long(what, step, steps):
    """On a CPU, time `step()` and say before the work starts where `steps` of it take over half an hour.

    Returns the estimate in seconds; 0 on a GPU, where nothing is timed. The first step may compile, and so take longer
    than any other: another is timed only where that matters.
    """
    if gpus():
        return 0
    for _ in range(2):
        start = time.perf_counter()
        step()
        estimate = (time.perf_counter() - start) * steps
        if estimate <= LONG_SECONDS:
            return estimate
    print(
        f"{what}: about {estimate / 3600:.1f} hours on this CPU; a GPU (pip install .[gpu]) shortens "
        "it; so do more model.frozen_blocks, fewer train.epochs or fewer explain.measured_images",
        flush=True,
    )
    return estimate
