"""Keeping packages that Keras and TensorFlow import for what this project does not use out of every start."""

import contextlib
import sys


@contextlib.contextmanager
def left_out(*packages):
    """Have these packages look as if they were not installed meanwhile, but for those that are imported already.

    For what imports them only where it can. Afterwards they can be imported as always.
    """
    absent = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # None there: importing it raises ModuleNotFoundError
    try:
        yield
    finally:
        for package in absent:
            sys.modules.pop(package, None)
