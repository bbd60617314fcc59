"""A process that has imported what the stages import, and forks one off for each line that it reads: seconds saved.

A line is JSON: the arguments of `python -m` and the file for what is printed. Answered are two lines, the new process's
number when it starts and its exit status when it ends. It leads a process group of its own, as a terminal's job does.
"""

import json
import os
import runpy
import signal
import sys


def main():
    sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "src")]
    import matplotlib.pyplot  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    import kidneyct.network  # noqa: F401  which computes nothing yet: TensorFlow's threads would not live on in a fork

    for line in sys.stdin:
        process = os.fork()
        if not process:
            _stage(**json.loads(line))
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def _stage(arguments, log):
    """Become `python -m` with these arguments."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), number)
    sys.argv = ["-m", *arguments[1:]]
    status = 0
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
