"""Stages, and DVC, forked off a process that has imported what they import: seconds of processor time saved each.

`commands()` is a folder with a `python` and a `dvc` to be put first on the PATH. They have the process, one for all
that run tests together, fork and go on as `dvc`, `python -c`, or `python -m` with a stage, `dvc` or `kidneyct`: in the
caller's folder, with its environment and its files, ending when it ends. What they import of the project is the
caller's own. All else they leave to the real Python, and so do they all where the process is not ready yet.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

IMPORTED = (  # and what these import: pandas, h5py, scipy, dvc.repo
    *("dvc.api", "dvc.cli", "jinja2", "keras", "matplotlib.pyplot", "ncnn"),
    *("pydantic", "pydicom", "sklearn.linear_model", "statsmodels.api", "tensorflow"),
)
SAME = ("KERAS_BACKEND", "OMP_NUM_THREADS", "PYTHONHASHSEED", "TF_CPP_MIN_LOG_LEVEL")  # in both, as imports read them
ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "OMP_NUM_THREADS": "2", "TF_CPP_MIN_LOG_LEVEL": "3"}
COMMAND = """\
#!{python} -IS
import json, os, signal, socket, sys
name = os.path.basename(sys.argv[0])
def real():
    os.execv({python!r}, [{python!r}, *(["-m", "dvc"] if name == "dvc" else []), *sys.argv[1:]])
if any(os.environ.get(each) != value for each, value in {same!r}.items()):
    real()
option, program, *_ = [*sys.argv[1:3], "", ""] if name == "python" else ["-c", ""]
if option != "-c" and (option != "-m" or not program.startswith(("stages.", "dvc", "kidneyct"))):
    real()
try:
    nursery = socket.socket(socket.AF_UNIX)
    nursery.connect({path!r})
except OSError:
    real()
socket.send_fds(nursery, [b"."], [0, 1, 2])
nursery.sendall(json.dumps([name, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode() + b"\\n")
def hand_on(number, frame):
    try:
        nursery.sendall(bytes([number]))
    except OSError:
        pass  # it has ended, and the answer is there
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, hand_on)
status = int(nursery.recv(9) or -signal.SIGKILL)
if status < 0:
    signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@functools.cache
def commands():
    """The folder, or None where a process can't do this."""
    if not sys.platform.startswith("linux"):
        return None
    folder = Path(tempfile.gettempdir(), f"nursery-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:  # another process of these tests has it, to the end
        return folder
    path = str(folder / "socket")
    same = dict.fromkeys(SAME) | ENVIRONMENT
    for name in ("python", "dvc"):
        command = folder / name
        command.write_text(COMMAND.format(python=sys.executable, path=path, same=same))
        command.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in SAME} | ENVIRONMENT
    command = [sys.executable, __file__, path]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)
    commands.process = process  # it ends when its standard input does, with the process that began it
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def python():
    """The `python` to be called, once the process is ready; the real one where it can't do this."""
    folder, end = commands(), time.monotonic() + 120
    while folder and not (folder / "socket").exists() and time.monotonic() < end:
        time.sleep(0.1)
    return str(folder / "python") if folder else sys.executable


def main():
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # in each fork a collection then looks through its own objects alone
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(sys.argv[1])
        door.listen()
        while True:
            ready, *_ = select.select([door, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            caller, _ = door.accept()
            if not os.fork():
                door.close()
                _serve(caller)
            caller.close()


def _serve(caller):
    """Have a process do what a caller asks for, and tell the caller how that ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, *_ = socket.recv_fds(caller, 1, 3)
    reader = caller.makefile("rb")
    asked = json.loads(reader.readline())
    process = os.fork()
    if not process:
        reader.close()
        caller.close()
        os.setsid()
        _become(*asked, files)
    for file in files:
        os.close(file)
    threading.Thread(target=_hand_on, args=(reader, process), daemon=True).start()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(OSError):  # a caller that is gone
        caller.sendall(str(status).encode())
    os._exit(0)


def _hand_on(reader, process):
    """Hand a caller's signals on to a process; end it where the caller is gone."""
    numbers = True
    while numbers:
        numbers = reader.read1(64)
        for number in numbers or [signal.SIGKILL]:
            try:
                os.killpg(process, number)
            except ProcessLookupError:  # it has not come so far, or has ended
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)


def _become(name, arguments, folder, environment, files):
    """Go on as the command that a caller ran, and end as it would."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    sys.executable = str(Path(sys.argv[1]).with_name("python"))  # for what it starts itself
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    sys.stderr.reconfigure(line_buffering=True)
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]  # [0]: this file's
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        if name == "dvc":
            sys.argv = [name, *arguments]
            status = sys.modules["dvc.cli"].main(arguments)
        else:
            option, program, *rest = arguments
            sys.argv = [option, *rest]
            if option == "-m":
                runpy.run_module(program, run_name="__main__", alter_sys=True)
            else:
                exec(program, {"__name__": "__main__"})
            status = 0
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    atexit._run_exitfuncs()  # TensorFlow's, among others, which removes its temporary files
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status or 0)


if __name__ == "__main__":
    main()
