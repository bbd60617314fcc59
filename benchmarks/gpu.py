"""Images a second on a GPU: features, and training with all of VGG-16 tuned; where there is none, a line says so.

    pip install -c constraints.txt -e ".[gpu]"
    python -m benchmarks.gpu --size gpu

In 32 bits and in mixed precision, with and without XLA; what that is of the measured rate of a matrix multiplication in
the same precision; and how long the GPU stood idle, as nvidia-smi sees it, while images came from the array on disk.
"""

import subprocess
import tempfile
import threading
import time
from pathlib import Path

import keras
import numpy as np

from benchmarks import forward, stopwatch
from kidneyct import unfinished
from kidneyct.network import batches, classifier, devices, features, training, vgg

SIZES = {
    "cpu": {"images": 2048, "tuned": 1024, "image_size": 200, "batch": 100, "matrix": 8192, "repetitions": 3},
    "tiny": {"images": 4, "tuned": 4, "image_size": 32, "batch": 2, "matrix": 64, "repetitions": 1},
}
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
CLASSES, TRAINING = 4, 3  # forward passes that a training step counts for: forward, and backward in inputs and weights


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
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal((side, side)), keras.DTypePolicy(precision).compute_dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.cast(tf.linalg.matmul(matrix, matrix), "float32")))
    seconds = stopwatch.interleaved({"": lambda: product().numpy()}, 10)[""]
    return 2 * side**3 / min(seconds)


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


def featured(part, images, xla, batch):
    """Images, batch by batch, through the frozen part."""
    import tensorflow as tf

    run = tf.function(lambda pixels: part(pixels, training=False), jit_compile=xla)

    def over():
        for at in range(0, len(images), batch):
            run(tf.constant(images[at : at + batch])).numpy().astype(np.float16)

    return over


def tuned(network, images, codes, batch, xla):
    """An epoch of training with nothing frozen, images from the array on disk."""
    classifier.freeze(network, 0)
    network.compile(keras.optimizers.Adam(1e-5), "categorical_crossentropy", jit_compile=xla)
    rows = np.arange(len(images) // batch * batch)
    served = batches.Batches(images, rows, batch, codes, CLASSES, seed=0)
    return lambda: network.fit(served, epochs=1, verbose=0, shuffle=False)


def main():
    options = stopwatch.options(__doc__, SIZES)
    if not devices.gpus() and options.size != "tiny":
        print("gpu: no GPU is found, so nothing is measured")
        return
    print(devices.describe("float32"))
    rows, rates = [], {precision: matrix_rate(options.matrix, precision) for precision in PRECISIONS}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        np.save(path, forward.pictures(options.images, options.image_size))
        images = np.load(path, mmap_mode="r")
        codes = np.arange(options.images) % CLASSES

        def row(what, precision, xla, count, passes, run):
            found, idle = measured(run, count, options.repetitions)
            needed = passes * forward.operations(vgg.base(options.image_size))
            share = needed * found["median"] / rates[precision]
            rows.append({"what": what, "precision": precision, "XLA": xla, "images a second": found})
            rows[-1] |= {"share of the matrix rate": share, "idle": idle}

        for precision in PRECISIONS:
            for xla in (False, True):
                keras.utils.set_random_seed(0)
                keras.config.set_dtype_policy(precision)
                part = vgg.frozen_part(forward.base(options.image_size), "unit", 5)
                row("features", precision, xla, len(images), 1, featured(part, images, xla, features.BATCH_SIZE))
        for precision in PRECISIONS:
            for xla in (False, True):
                keras.utils.set_random_seed(0)
                keras.config.set_dtype_policy(precision)
                network = classifier.network(forward.base(options.image_size), 1024, CLASSES, "unit", seed=0)
                epoch = tuned(network, images[: options.tuned], codes, options.batch, xla)
                count = options.tuned // options.batch * options.batch
                row("training, nothing frozen", precision, xla, count, TRAINING, epoch)
        # The stages' own way, which fixes the order of sums; that is slower on some layers.
        devices.prepare(seed=0)
        base, place = forward.base(options.image_size), Path(folder, "features.npy")

        def stage():
            features.compute(base, images, "unit", 5, place, unfinished.Work(folder, "features"))

        row("stage features", "float32", False, len(images), 1, stage)
        for precision in PRECISIONS:
            devices.prepare(seed=0, precision=precision)
            network = classifier.network(forward.base(options.image_size), 1024, CLASSES, "unit", seed=0)
            classifier.freeze(network, 0)
            given = (network, images, codes, np.arange(options.tuned), np.arange(options.batch))
            settings = {"epochs": 1, "batch_size": options.batch, "learning_rate": 1e-5, "patience": 1, "seed": 0}
            row(
                "stage train, nothing frozen",
                precision,
                False,
                options.tuned,
                TRAINING,
                lambda given=given, settings=settings: training.fit(*given, **settings),
            )
    notes = [f"matrices of {options.matrix}, {name}: {rate / 1e12:.1f} TFLOP/s" for name, rate in rates.items()]
    stopwatch.publish("gpu", options.size, rows, notes)


if __name__ == "__main__":
    main()
