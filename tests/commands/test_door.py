"""`kidneyct`: one door, one handler of errors, and help that is quick and says what there is."""

import subprocess
import sys

import pytest

from kidneyct import __main__ as door
from kidneyct.errors import InputError

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
    ],
)
def test_every_command_s_errors_are_one_line(monkeypatch, capsys, name, error, status, line):
    def run(options):
        raise error

    monkeypatch.setattr(door.COMMANDS[name], "run", run)
    assert door.main([name, *(["scan.png"] if name == "predict" else [])]) == status
    assert capsys.readouterr() == ("", f"{line}\n")


def test_a_mistake_of_ours_is_not_hidden(monkeypatch):
    monkeypatch.setattr(door.grid, "run", lambda options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        door.main(["grid"])
