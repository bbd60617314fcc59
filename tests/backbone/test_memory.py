"""Freed memory is used again: counted in page faults, timing nothing."""

import subprocess
import sys

import keras
import pytest

SCRIPT = """
import resource
import kidneyct.backbone
import tensorflow as tf

@tf.function
def largest(x):  # a few arrays of 64 MB come and go
    return tf.reduce_max(tf.sqrt(tf.square(x) + 1))

x = tf.zeros(2**24)
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    largest(x)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's allocator")
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    first, *_, last = map(int, done.stdout.split())
    assert last < 2000 < first  # pages; 64 MB are 16,384 of them
