"""Keeping TensorFlow's notices that it finds no GPU, which no environment variable stops, out of the project's log."""

import contextlib
import os
import subprocess
import sys

FILTER = """
import sys
for line in sys.stdin.buffer:
    if b"Could not find cuda drivers" not in line and b"before absl::InitializeLog" not in line:
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


@contextlib.contextmanager
def left_out():
    """Leave these lines out of what is written to standard error meanwhile, by libraries in C++ too.

    Another process does the filtering, so that the last words of a crash arrive as well.
    """
    sys.stderr.flush()
    command = [sys.executable, "-S", "-E", "-c", FILTER]
    # In a session of its own, or a terminal's Ctrl-C would reach it too.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as filtering:
        own = os.dup(2)
        os.dup2(filtering.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)
