"""Images a second on a GPU: features, and training with all of VGG-16 tuned; where there is none, a line says so.

    pip install -c constraints.txt -e ".[gpu]"
    python -m benchmarks.gpu --size gpu
    KERAS_BACKEND=jax python -m benchmarks.gpu --size gpu

In 32 bits and in mixed precision; on TensorFlow, the backend that has the choice, with and without XLA; what that is of
the measured rate of a matrix multiplication in the same precision; and how long the GPU stood idle, as nvidia-smi sees
it, while images came from the array on disk.
"""

import functools
import itertools
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks import forward, stopwatch
from kidneyct.backbone import devices, features, vgg
from kidneyct.classifier import batches, classifier
from kidneyct.files import checkpoint

SIZES = {
    "cpu": {"images": 4096, "tuned": 1024, "image_size": 200, "batch": 100, "matrix": 8192, "repetitions": 3},
    "tiny": {"images": 8, "tuned": 4, "image_size": 32, "batch": 2, "matrix": 64, "repetitions": 1},
}
PRECISIONS = ("float32", "mixed_bfloat16")
XLA = {"tensorflow": (False, True), "jax": (True,)}
BATCHES = (features.BATCH_SIZE, 256)  # of images through the frozen part: the stage's, and one that fills a large GPU
CLASSES, TRAINING = 4, 3  # forward passes that a training step counts for: forward, and backward in inputs and weights
PRODUCTS = 20  # in a row, so that starting one does not count


class Idle:
    """The share of time in which the GPU did nothing while a block ran; NaN where nvidia-smi is not there."""

    def __enter__(self):
        self.seen, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        self.thread.join()

    def _watch(self):
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self.over.is_set():
            try:
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                self.seen.append(float(said.splitlines()[0]))
            except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
                return
            self.over.wait(0.1)

    def share(self):
        return 1 - np.mean(self.seen) / 100 if self.seen else float("nan")


def matrix_rate(side, precision):
    """Operations a second of a multiplication of square matrices in the precision that a policy computes in."""
    matrix = keras.random.normal((side, side), dtype=keras.DTypePolicy(precision).compute_dtype)

    def products():
        for _ in range(PRODUCTS):
            product = keras.ops.matmul(matrix, matrix)
        return float(keras.ops.cast(product[0, 0], "float32"))  # which waits for them

    return PRODUCTS * 2 * side**3 / min(stopwatch.interleaved({"": products}, 5)[""])


def measured(run, count, repetitions):
    """Images a second of `run()` over so many images, and the GPU's idle share."""
    run()  # compiles
    seconds = []
    with Idle() as idle:
        for _ in range(repetitions):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
    return stopwatch.rate(count, seconds), idle.share()


def featured(part, images, batch):
    """Images, batch by batch, through the frozen part and back."""

    def over():
        for at in range(0, len(images), batch):
            part.predict_on_batch(images[at : at + batch]).astype(np.float16)

    return over


def alone(part, images, batch, xla):
    """The frozen part over one batch that lies on the device already, again and again, its output left there."""
    backend, pixels = keras.backend.backend(), keras.ops.convert_to_tensor(images[:batch])
    if backend == "tensorflow":
        import tensorflow as tf

        run = tf.function(lambda: part(pixels, training=False), jit_compile=xla)
    else:
        import jax

        state = [[each.value for each in kind] for kind in (part.trainable_variables, part.non_trainable_variables)]
        compiled = jax.jit(lambda state, pixels: part.stateless_call(*state, pixels, training=False)[0])
        run = functools.partial(compiled, state, pixels)

    def over():
        for _ in range(len(images) // batch):
            output = run()
        return float(keras.ops.cast(output[0, 0, 0, 0], "float32"))  # which waits for them

    return over


def tuned(network, images, codes, batch, xla):
    """An epoch of training with nothing frozen, images from the array on disk."""
    classifier.freeze(network, 0)
    network.compile(keras.optimizers.Adam(1e-5), "categorical_crossentropy", metrics=["accuracy"], jit_compile=xla)
    rows = np.arange(len(images) // batch * batch)
    served = batches.Batches(images, rows, batch, codes, CLASSES, seed=0)
    return lambda: network.fit(served, epochs=1, verbose=0, shuffle=False)


def main():
    options = stopwatch.options(__doc__, SIZES)
    if not devices.gpus() and options.size != "tiny":
        print("gpu: no GPU is found, so nothing is measured")
        return
    backend = keras.backend.backend()
    print(devices.describe("float32"))
    rows, rates = [], {precision: matrix_rate(options.matrix, precision) for precision in PRECISIONS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        np.save(path, forward.pictures(options.images, options.image_size))
        images = np.load(path, mmap_mode="r")
        codes = np.arange(options.images) % CLASSES

        devices.prepare(seed=0)
        base = forward.base(options.image_size)
        operations = forward.operations(base)

        def row(what, precision, xla, count, passes, run):
            found, idle = measured(run, count, options.repetitions)
            share = passes * operations * found["median"] / rates[precision]
            rows.append({"what": what, "precision": precision, "XLA": "yes" if xla else "no"})
            rows[-1] |= {"images a second": found, "share of the matrix rate": share, "idle": idle}
            print(f"{what}, {precision}: {stopwatch.text(found)}", flush=True)

        def stage():
            with tempfile.TemporaryDirectory(dir=folder) as place:  # a fresh one, where nothing is there to go on from
                work = checkpoint.Checkpoint(place, "features")
                features.compute(base, images, "unit", 5, Path(place, "features.npy"), Path(place, "pooled.npy"), work)

        row("stage features", "float32", backend == "jax", len(images), 1, stage)
        for precision, xla in itertools.product(PRECISIONS, XLA[backend]):
            devices.prepare(seed=0, precision=precision)
            network = classifier.network(forward.base(options.image_size), 1024, CLASSES, "unit", seed=0)
            epoch = tuned(network, images[: options.tuned], codes, options.batch, xla)
            count = options.tuned // options.batch * options.batch
            row(f"training, nothing frozen, batches of {options.batch}", precision, xla, count, TRAINING, epoch)
        for precision, xla, batch in itertools.product(PRECISIONS, XLA[backend], BATCHES):
            batch = min(batch, len(images))
            devices.prepare(seed=0, precision=precision)
            part = vgg.frozen_part(forward.base(options.image_size), "unit", 5)
            part.compile(jit_compile=xla)
            row(f"features, batches of {batch}", precision, xla, len(images), 1, featured(part, images, batch))
            count = len(images) // batch * batch
            row(f"the same, not moved, {batch}", precision, xla, count, 1, alone(part, images, batch, xla))
    notes = [f"{devices.describe('float32 and mixed_bfloat16')}{card()}"]
    notes += [f"matrices of {options.matrix}, {name}: {rate / 1e12:.1f} TFLOP/s" for name, rate in rates.items()]
    stopwatch.publish(backend, options.size, rows, notes)


def card():
    """What nvidia-smi calls the GPU, or nothing where it is not there."""
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return f": {subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]}"
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


if __name__ == "__main__":
    main()
