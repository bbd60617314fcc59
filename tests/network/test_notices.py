"""TensorFlow's start-up notices are left out, everything else is not."""

import os
import subprocess
import sys

PROGRAM = """
import os, sys
from kidneyct.network import notices
with notices.left_out():
    os.write(2, b"I0000 port.cc:153] oneDNN custom operations are on. You may\\nE0000 a real error\\n")
    print("from Python", file=sys.stderr)
    {last}
print("after", file=sys.stderr)
"""


def said(last):
    environment = os.environ | {"PYTHONPATH": "src", "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, "-c", PROGRAM.format(last=last)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_notices_are_left_out_and_errors_pass():
    done = said("pass")
    assert done.returncode == 0
    assert done.stderr == "E0000 a real error\nfrom Python\nafter\n"


def test_the_last_words_of_a_crash_arrive():
    done = said("os.abort()")
    assert done.returncode != 0
    assert done.stderr.startswith("E0000 a real error\nfrom Python\n")
    assert "after" not in done.stderr
