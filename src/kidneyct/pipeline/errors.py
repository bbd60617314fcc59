"""The one exception for what a user can put right; and how a program ends, with one line, whatever stops it."""

import contextlib
import os
import signal
import stat
import sys
import warnings

INTERRUPTED, TERMINATED, UNHEARD = (128 + number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE))
NO_MEMORY = ("MemoryError", "ResourceExhaustedError")  # Python's and NumPy's, TensorFlow's


class InputError(ValueError):
    """A user's mistake or a missing outside resource, told in one line.

    The message says what was expected, what was found, in which file, and what to do. Stages print it
    without a traceback and exit with status 1.
    """


def shown(name, longest=300):
    """A name, path or reason as a line can hold it: escaped where it can't be printed, cut where it is too long."""
    text = str(name)
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 4 :]}"


def missing(path):
    """The InputError for a file of the pipeline that is not there."""
    return InputError(f"{path}: not there; run dvc repro, or dvc pull where it was run before")


def corrupt(path, expected, found):
    """The InputError for a file of the pipeline that is not as a stage wrote it."""
    return InputError(
        f"{path}: expected {expected}, found {shown(found)}; bring it back with dvc checkout {path}, or make it again "
        "with dvc repro"
    )


def faults(error):
    """What a pydantic.ValidationError found, a line for each fault: where, and what is amiss."""
    for fault in error.errors(include_input=False, include_url=False):
        refused = fault["type"] == "predicate_failed"  # whose message names a function of ours
        message = "a value that is not allowed" if refused else fault["msg"].removeprefix("Value error, ")
        yield ": ".join(filter(None, [".".join(map(str, fault["loc"])), message]))


def no_file(mode):
    """What a path of this `st_mode` is instead of a file, None where it is one; opening a pipe would wait for ever."""
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"


def print_anything():
    """Have what a program prints escaped where the terminal's or the log's encoding lacks it, such as a file's name.

    What is printed where it was started with `2>&-` goes nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        getattr(sys, name).reconfigure(errors="backslashreplace")


def end_at_once():
    """Have a program end with its one line also before `run_main` is called: for the seconds of its imports.

    Ctrl-C ends it at once, as nothing is open then: an exception in the midst of a library's import may be swallowed
    there, or end in a traceback.
    """
    sys.excepthook = _unhandled
    warnings.simplefilter("ignore", DeprecationWarning)  # of libraries among themselves, whatever PYTHONWARNINGS says
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored, or another's
        signal.signal(signal.SIGINT, _end)


def _unhandled(kind, error, trace):
    if issubclass(kind, InputError):
        _end_with(f"error: {error}", 1)  # which is Python's own status then
    else:
        sys.__excepthook__(kind, error, trace)


def _end(number, frame):
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)


def run_main(call, mistake=1):
    """Call a program's main function; returns its exit status, told in one line of standard error where it failed.

    `mistake` for an InputError, 1 for a file that can't be read or written and for too little memory; as a shell has
    it, 130 where interrupted (Ctrl-C), 143 where terminated, and 141, without a line, where no one reads what it
    prints. A mistake of ours keeps its traceback.
    """
    before = signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status = call() or 0
        print(end="", flush=True)
        return status
    except InputError as error:
        return _end_with(f"error: {error}", mistake)
    except KeyboardInterrupt:
        return _end_with("interrupted", INTERRUPTED)
    except _Terminated:
        return _end_with("terminated", TERMINATED)
    except BrokenPipeError:
        return UNHEARD
    except OSError as error:
        return _end_with(f"error: {reason(error)}", 1)
    except Exception as error:
        if type(error).__name__ not in NO_MEMORY:
            raise
        return _end_with(
            f"error: too little memory for this ({' '.join(str(error).split())[:200] or 'no more is known'})", 1
        )
    finally:
        signal.signal(signal.SIGTERM, before)
        _drop_unwritten()


def reason(error):
    """An OSError in one line: the file's name, if it has one, and what the system says."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    return ": ".join([*names[:1], error.strerror or " ".join(str(error).split()) or type(error).__name__])


class _Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT: what is open is closed on the way."""


def _terminate(number, frame):
    raise _Terminated


def _end_with(line, status):
    print(line, file=sys.stderr)
    return status


def _drop_unwritten():
    """Give up what can't be printed, as no one reads it or the disk is full: Python would try again as it ends."""
    try:
        print(end="", flush=True)
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
