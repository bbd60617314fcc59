"""DVC and the stages that it runs, forked off a process that has imported what they import: seconds saved each time.

Its argument is the project's folder. A line that it reads is JSON: DVC's arguments and the file for what is printed.
Answered are two lines, the new process's number when it starts and its exit status when it ends; before the first one
stands an empty line, when all is imported. The process leads a process group, as a terminal's job does; the stages that
DVC runs belong to it. All else is DVC's own code and the stages' own.
"""

import json
import os
import runpy
import shlex
import signal
import sys
from types import SimpleNamespace

import dvc.cli
import dvc.repo
import dvc.stage.run


def main():
    (project,) = sys.argv[1:]
    sys.path[:0] = [project, os.path.join(project, "src")]
    import matplotlib.pyplot  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    import kidneyct.network.forward  # noqa: F401  which computes nothing yet: threads would not live on in a fork

    dvc.stage.run.subprocess = SimpleNamespace(Popen=Stage)
    print(flush=True)
    for line in sys.stdin:
        ready, told = os.pipe()
        process = os.fork()
        if not process:
            os.setsid()
            os.chdir(project)
            _dvc(told, **json.loads(line))
        os.close(told)
        os.read(ready, 1)  # nothing, once the other end is closed: from then on it may be struck
        os.close(ready)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def _dvc(told, arguments, log):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), number)
    os.close(told)
    _end(lambda: dvc.cli.main(arguments))


def _end(call):
    """Call, and end the process with the status that it gives, as Python does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    try:
        status = call() or 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class Stage:
    """`subprocess.Popen` for DVC, of a shell's command `python -m MODULE ARGUMENTS`."""

    def __init__(self, command, cwd, env, **_):
        _, option, module, *arguments = shlex.split(command[-1])
        if option != "-m":
            raise ValueError(f"expected python -m, found {command}")
        sys.stdout.flush()
        sys.stderr.flush()
        self.process = os.fork()
        if not self.process:
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(env)
            sys.argv = ["-m", *arguments]
            _end(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True) and 0)

    def communicate(self):
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


if __name__ == "__main__":
    main()
