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
from kidneyct.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", *(name for name in {HEAVY} if name in sys.modules))
"""


@pytest.mark.parametrize("command", [[], *([name] for name in door.COMMANDS)])
def test_help_imports_nothing_heavy(command):
    call = [sys.executable, "-c", IMPORTED, *command, "--help"]
    done = subprocess.run(call, capture_output=True, text=True, env={"PYTHONPATH": "src", "COLUMNS": "120"})
    assert done.returncode == 0, done.stderr
    *text, imported = done.stdout.splitlines()
    assert imported == "imported:"
    assert "Research software, not for clinical use." in text
    assert "example" in done.stdout
    assert max(map(len, text)) <= 120


def test_the_help_lists_every_command_with_what_it_does(capsys):
    with pytest.raises(SystemExit):
        door.main(["--help"])
    output = capsys.readouterr().out
    for name, module in door.COMMANDS.items():
        assert f"  {name:<10}  {module.HELP}\n" in output


def test_the_module_is_the_program():
    for call in (["-m", "kidneyct"], ["-c", "from kidneyct.__main__ import main; main()"]):
        done = subprocess.run([sys.executable, *call, "--help"], capture_output=True, text=True)
        assert done.stdout.startswith("usage: kidneyct [-h] COMMAND ...\n")


@pytest.mark.parametrize("arguments", [[], ["show"], ["predict"], ["predict", "x", "--role", "teacher"]])
def test_a_mistake_in_the_arguments_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        door.main(arguments)
    assert stopped.value.code == 2
    assert "usage: kidneyct" in capsys.readouterr().err


@pytest.mark.parametrize("name", door.COMMANDS)
@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("here: expected a, found b"), 2, "error: here: expected a, found b"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "plots/a.csv"), 1, "error: plots/a.csv: No space left on device"),
        (PermissionError(13, "Permission denied"), 1, "error: Permission denied"),
        (MemoryError("Unable to allocate 7 TiB"), 1, "error: too little memory for this (Unable to allocate 7 TiB)"),
        (MemoryError(), 1, "error: too little memory for this (no more is known)"),
    ],
)
def test_every_command_s_errors_are_one_line(monkeypatch, capsys, name, error, status, line):
    def run(options):
        raise error

    monkeypatch.setattr(door.COMMANDS[name], "run", run)
    assert door.main([name, *(["scan.png"] if name in ("export", "phantom", "predict", "score") else [])]) == status
    assert capsys.readouterr() == ("", f"{line}\n")


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(door.study, "run", lambda options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        door.main(["study"])


def python(code, **options):
    """Start a program that ends as `kidneyct` does."""
    start = f"import os, signal, sys, time\nfrom kidneyct.pipeline import errors\n{code}"
    return subprocess.Popen([sys.executable, "-c", start], env={"PYTHONPATH": "src"}, text=True, **options)


def test_a_signal_is_one_line_and_the_shells_status():
    kill = "sys.exit(errors.ended(lambda: os.kill(os.getpid(), signal.SIG{}) or time.sleep(60)))"
    for name, status, line in (("INT", 130, "interrupted\n"), ("TERM", 143, "terminated\n")):
        with python(kill.format(name), stderr=subprocess.PIPE) as process:
            assert (process.communicate()[1], process.returncode) == (line, status)


def test_where_no_one_reads_it_ends_quietly():
    """As `kidneyct study --plan | head` does."""
    write = "print('x' * 9)\nsys.exit(errors.ended(lambda: [print('x' * 9999) for _ in range(99)] and 0))"
    with python(write, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line_also_at_the_end():
    code = "sys.exit(errors.ended(lambda: print('x')))"
    with open("/dev/full", "w") as full, python(code, stdout=full, stderr=subprocess.PIPE) as process:
        assert process.communicate()[1] == "error: No space left on device\n"
    assert process.returncode == 1


def test_names_that_are_no_text_are_printed(monkeypatch, capsys):
    monkeypatch.setattr(door.study, "run", lambda options: print("b\udce9d"))
    assert door.main(["study"]) == 0
    assert capsys.readouterr() == ("b\\udce9d\n", "")
