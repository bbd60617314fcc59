"""Keeping TensorFlow's start-up notices out of the project's own log; its errors pass."""

import contextlib
import os
import subprocess
import sys

NOTICES = (
    "oneDNN custom operations are on",
    "Could not find cuda drivers",
    "All log messages before absl::InitializeLog",
    "binary is optimized to use available CPU instructions",
    "To enable the following instructions",
)
FILTER = """
import sys
for line in sys.stdin.buffer:
    if not any(notice.encode() in line for notice in sys.argv[1:]):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


@contextlib.contextmanager
def left_out():
    """Leave NOTICES out of what is written to standard error meanwhile, by libraries in C++ too.

    Another process does the filtering, so that the last words of a crash arrive as well.
    """
    sys.stderr.flush()
    command = [sys.executable, "-S", "-E", "-c", FILTER, *NOTICES]
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
