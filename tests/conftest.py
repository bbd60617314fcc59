"""The longest files first, so that two workers end at about the same time; and how much of what is random is tried.

The suite tries the same few examples each time. With FUZZ=5000, as `make fuzz` sets it, a test marked `fuzz` tries so
many, and others each time.
"""

import gc
import os
import random
import signal
import tempfile
from pathlib import Path

import hypothesis
from hypothesis.configuration import set_hypothesis_home_dir

# Whatever ~/.keras/keras.json says; with it TensorFlow starts without JAX, which takes a second of each start.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Two processes test at once, whose threads would wait for each other's processor in a loop.
for threads in ("OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(threads, "1")

# Python programs started by a process that ignores Ctrl-C, as a shell's background jobs do, would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)

set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "kidneyct-hypothesis")  # its caches, apart from the project
hypothesis.settings.register_profile("suite", derandomize=True, database=None, deadline=None, max_examples=50)
hypothesis.settings.register_profile(
    "fuzz",
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("FUZZ", 1)),
    suppress_health_check=list(hypothesis.HealthCheck),
    print_blob=True,
)
hypothesis.settings.load_profile("fuzz" if "FUZZ" in os.environ else "suite")


def pytest_collection_modifyitems(items):
    long = ["test_pipeline.py", "test_study_pipeline.py", "test_training.py", "test_routes.py", "test_interrupted.py"]
    items.sort(key=lambda item: item.path.name not in long)


def pytest_runtest_setup():
    """Networks without a seed of their own begin with the same weights each time, as Keras asks Python for one."""
    random.seed(0)


def pytest_collection_finish():
    """What is imported by now stays, and is not looked through again by each collection of garbage."""
    gc.collect()
    gc.freeze()
