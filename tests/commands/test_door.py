"""`kidneyct`: one door, one handler of errors, and help that is quick and says what there is."""

import subprocess
import sys
from pathlib import Path

import pytest

from kidneyct import __main__ as door
from kidneyct.pipeline.errors import InputError

HEAVY = ("keras", "tensorflow", "pandas", "matplotlib", "scipy", "sklearn")
IMPORTED = f"""
import sys
from kidneyct.__main__ import COMMANDS, main
for command in ([], *([name] for name in COMMANDS)):
    try:
        main([*command, "--help"])
    except SystemExit as stopped:
        assert not stopped.code
print("imported:", *(name for name in {HEAVY} if name in sys.modules))
"""


def test_help_says_what_there_is_and_imports_nothing_heavy():
    call = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(call, capture_output=True, text=True, env={"PYTHONPATH": "src", "COLUMNS": "120"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: kidneyct [-h] COMMAND ...\n")
    for name, module in door.COMMANDS.items():
        assert f"\n  {name:<10}  {module.__doc__.splitlines()[0]}\n" in done.stdout
    lines = done.stdout.splitlines()
    assert lines.count("Research software, not for clinical use.") == done.stdout.count("usage: ")
    assert max(map(len, lines)) <= 120
    assert lines[-1] == "imported:"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["show"], "invalid choice: 'show'"),
        (["predict", ""], "argument FILE: expected a name, found an empty one"),
        (["predict", "x", "--model", "m", "--workspace", "."], "--workspace: not allowed with argument --model"),
        (["phantom", "x", "--slices=101"], "argument --slices: expected a whole number from 1 to 100, found '101'"),
        (["phantom", "x", "--slices=²"], "found '²'"),
    ],
)
def test_a_mistake_in_the_arguments_is_status_2(arguments, line, capsys):
    with pytest.raises(SystemExit) as stopped:
        door.main(arguments)
    assert stopped.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("here: expected a, found b"), 2, "error: here: expected a, found b"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "plots/a.csv"), 1, "error: plots/a.csv: No space left on device"),
        (PermissionError(13, "Permission denied"), 1, "error: Permission denied"),
        (MemoryError("Unable to allocate 7 TiB"), 1, "error: too little memory for this (Unable to allocate 7 TiB)"),
    ],
)
def test_errors_are_one_line_but_not_those_of_ours(monkeypatch, capsys, error, status, line):
    def run(options):
        print("b\udce9d")
        raise error

    monkeypatch.setattr(door.study, "run", run)
    assert door.main(["study"]) == status
    assert capsys.readouterr() == ("b\\udce9d\n", f"{line}\n")  # what is no text is printed too
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        door.main(["study"])


def test_without_standard_error_it_goes_on(monkeypatch, capsys):
    """Started with `2>&-`, as some services start their programs, a program has none."""
    monkeypatch.setattr(door.study, "run", lambda options: print("x", file=sys.stderr) or print("y"))
    monkeypatch.setattr(sys, "stderr", None)
    assert door.main(["study"]) == 0
    assert capsys.readouterr().out == "y\n"


def python(code, **options):
    """Start a program that ends as `kidneyct` does."""
    start = f"import os, signal, sys, time\nfrom kidneyct.pipeline import errors\n{code}"
    options |= {"stderr": subprocess.PIPE, "env": {"PYTHONPATH": "src"}, "text": True}
    return subprocess.Popen([sys.executable, "-c", start], **options)


@pytest.mark.parametrize(("name", "status", "line"), [("INT", 130, "interrupted\n"), ("TERM", 143, "terminated\n")])
def test_a_signal_is_one_line_and_the_shells_status(name, status, line):
    kill = f"sys.exit(errors.run_main(lambda: os.kill(os.getpid(), signal.SIG{name}) or time.sleep(60)))"
    with python(kill) as process:
        assert (process.communicate()[1], process.returncode) == (line, status)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_where_no_one_reads_it_ends_quietly_and_a_full_disk_is_one_line_also_at_the_end():
    write = "sys.exit(errors.run_main(lambda: [print('x' * 9999) for _ in range(99)] and 0))"
    with python(write, stdout=subprocess.PIPE) as process:  # as `kidneyct study --plan | head` does
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", 141)
    with open("/dev/full", "w") as full, python(write.replace("9999", "9"), stdout=full) as process:
        assert (process.communicate()[1], process.returncode) == ("error: No space left on device\n", 1)
