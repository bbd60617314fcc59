"""What is timed or simulated, apart from the tests."""

import importlib.util
import sys

if any(word.startswith("benchmarks.") for word in sys.orig_argv) and importlib.util.find_spec("torch"):
    import torch._dynamo  # noqa: F401  before TensorFlow: the compilers that they bring don't bear the other order
