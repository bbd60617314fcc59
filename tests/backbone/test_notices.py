"""TensorFlow's start-up notices are left out, everything else is not."""

import os
import signal
import subprocess
import sys

import pytest

from kidneyct.pipeline import errors

PROGRAM = """
import os, sys
from kidneyct.backbone import notices
with notices.left_out():
    os.write(2, b"I0000 cudart_stub.cc:31] Could not find cuda drivers on your machine\\nE0000 a real error\\n")
    print("from Python", file=sys.stderr)
    {last}
print("after", file=sys.stderr)
"""


@pytest.mark.parametrize(("last", "after"), [("pass", "after\n"), ("os.kill(os.getpid(), 9)", "")])
def test_notices_are_left_out_and_the_last_words_of_a_crash_arrive(last, after):
    command = [sys.executable, "-c", PROGRAM.format(last=last)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": "src"}, capture_output=True, text=True)
    assert done.returncode == (0 if after else -9)
    assert done.stderr == "E0000 a real error\nfrom Python\n" + after


@pytest.mark.parametrize("start", [["stages"], ["kidneyct.__main__"]])
def test_ctrl_c_during_the_imports_is_one_line(start, tmp_path):
    """As a terminal sends it, to all processes of the group; an import stands still until it comes."""
    (tmp_path / "keras.py").write_text("import sys, time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    (tmp_path / "fake.py").write_text(f"import sys\nimport {start[0]}\nimport kidneyct.backbone\n")
    command = [sys.executable, "-c", "import sys; sys.argv[0] = sys.argv[1]; import fake"]
    command.append({"stages": "-m"}.get(start[0], "/bin/kidneyct"))
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}src{os.pathsep}."}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, start_new_session=True, **pipes) as running:
        assert running.stdout.readline() == "ready\n"
        os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=30)
    assert (running.returncode, told) == (130, "interrupted\n")


def test_what_runs_is_interrupted_as_always(capfd):
    """The quick end is for imports alone, and where Ctrl-C is ignored it stays so."""

    def interrupted():
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    try:
        errors.end_at_once()
        assert errors.run_main(interrupted) == errors.INTERRUPTED
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        errors.end_at_once()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == "interrupted\n"
