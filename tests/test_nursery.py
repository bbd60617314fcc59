"""Commands that go on in another process look to their caller as if they had not."""

import os
import signal
import subprocess
import sys
import time

import nursery
import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there")
STAGE = """\
import os, sys, time
if __name__ == "__main__":
    print(sys.argv[1:], os.path.basename(os.getcwd()), os.environ["GIVEN"], sys.stdin.read(), flush=True)
    print("tensorflow" in sys.modules, "kidneyct" in sys.modules, file=sys.stderr, flush=True)
    {then}
"""


@pytest.fixture
def start(tmp_path):
    """Starts `python -m stages.one` of a folder, whose stage ends with some statement."""
    folder = tmp_path / "here"
    (folder / "stages").mkdir(parents=True)

    def call(then):
        (folder / "stages/one.py").write_text(STAGE.format(then=then))
        environment = {name: value for name, value in os.environ.items() if name not in nursery.SAME}
        environment |= nursery.ENVIRONMENT | {"GIVEN": "a = b\n"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [nursery.python(), "-m", "stages.one", "x", "y z"]
        return subprocess.Popen(command, cwd=folder, env=environment, **pipes)

    return call


ENDS = {
    "pass": (0, ""),
    "sys.exit(3)": (3, ""),
    "os.kill(os.getpid(), 9)": (-9, ""),
    "sys.exit('amiss')": (1, "amiss\n"),
    "raise ValueError('amiss')": (1, "ValueError: amiss\n"),
}


@pytest.mark.parametrize("then", ENDS)
def test_what_goes_in_and_what_comes_out(start, then):
    running, (status, line) = start(then), ENDS[then]
    out, err = running.communicate("told")
    assert out == "['x', 'y z'] here a = b\n told\n"
    assert err.startswith("True False\n")
    assert err.endswith(line)
    assert running.returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_reaches_it(start, number):
    running = start("print(os.getpid(), flush=True); time.sleep(60)")
    running.stdin.close()
    running.stdout.readline(), running.stdout.readline()
    process = int(running.stdout.readline())
    running.send_signal(number)
    running.wait(30)
    for _ in range(100):
        if not os.path.exists(f"/proc/{process}"):
            break
        time.sleep(0.1)
    assert not os.path.exists(f"/proc/{process}")
    # KeyboardInterrupt is an error like others.
    assert running.returncode == (1 if number == signal.SIGINT else -number)
