"""dvc.yaml tells the truth: each stage's deps are what it imports, its params what it reads."""

import ast
import io
import json
import re
import sys
from pathlib import Path

import dvc.api
import pytest
from house import ROOMS, closure, files, imports, room

import stages

from kidneyct.pipeline import params, yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.series import known_series

PIPELINE = yaml12.read("dvc.yaml")["stages"]
NAMES = list(params.stages())
# What every script imports and what can change no result by itself: the values in params.yaml are watched one by one
# as params, the stage `check` reruns whenever their file changes, an error's text is no result, and of what `files`
# writes tests watch the bytes.
EXEMPT = ("src/kidneyct/pipeline/", "src/kidneyct/files/")


def watched(stage):
    """Parameters that dvc.yaml declares for a stage, those of all its roles."""
    return {key for name in NAMES if name.split("@")[0] == stage for key in params.declared(name)}


def body(stage):
    return PIPELINE[stage].get("do", PIPELINE[stage])


def reads(script):
    """Dotted parameters that a stage script reads from what `params.load` gave it, `p`; all if it passes `p` on."""
    nodes = list(ast.walk(ast.parse(Path(script).read_text())))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    inner |= {id(call.args[0]) for call in calls if ast.unparse(call.func) == "hasattr"}  # asks, but does not read
    if any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id == "p" and id(node) not in inner
        for node in nodes
    ):
        return set(params.keys())
    whole = [node for node in nodes if isinstance(node, ast.Attribute) and id(node) not in inner]
    return {name.removeprefix("p.") for name in map(ast.unparse, whole) if name.startswith("p.")}


@pytest.mark.parametrize("stage", PIPELINE)
def test_deps_hold_the_import_closure_and_no_package_without_need(stage):
    """Folders under src/, which hold templates too, and the one script."""
    declared = {dep for dep in body(stage)["deps"] if dep.startswith(("src/", "stages/"))}
    needed = {path for path in closure(f"stages/{stage}.py") if not path.startswith(EXEMPT)}
    assert {dep for dep in declared for path in needed if f"{path}/".startswith(f"{dep}/")} == declared
    assert {path for path in needed for dep in declared if f"{path}/".startswith(f"{dep}/")} == needed
    if stage in ("series", "external"):
        assert known_series.PUBLISHED in body(stage)["deps"]


@pytest.mark.parametrize("stage", PIPELINE)
def test_params_are_what_the_script_reads(stage):
    read = {key for name in reads(f"stages/{stage}.py") for key in unfolded(name)}
    assert read <= watched(stage)
    entries = [key for key in body(stage).get("params", []) if key != "${item}"]
    assert [key for key in entries if not read & unfolded(key)] == []  # a section is declared for one of its keys


KEYS = params.keys()


def unfolded(name):
    """The keys of a section; a key itself."""
    return {key for key in KEYS if f"{key}.".startswith(f"{name}.")}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "check"])
def test_a_stage_sees_what_dvc_watches(name):
    shown = dvc.api.params_show(stages=name)
    loaded = params.load(name)
    assert json.loads(json.dumps(loaded, default=vars)) == shown


def test_the_control_does_not_see_what_the_candidate_starts_from():
    assert "weights" in vars(params.load("features@candidate"))
    assert "weights" not in vars(params.load("features@control"))
    with pytest.raises(InputError, match=r"dvc\.yaml: expected one of the stages check, .* found features@../../x$"):
        params.load("features@../../x")


def test_no_value_of_a_parameter_reaches_a_command_line():
    """A shell would run what stands in it."""
    allowed = {"${item}", "${key}"}
    for stage in PIPELINE:
        assert set(re.findall(r"\$\{[^}]*\}", body(stage)["cmd"])) <= allowed
        items = PIPELINE[stage].get("foreach", [])
        assert set(items) <= {"candidate", "control"}
        assert not isinstance(items, dict) or "${item}" not in body(stage)["cmd"]


def test_every_parameter_is_declared_by_a_stage():
    declared = {key for stage in PIPELINE for key in watched(stage)}
    assert set(params.keys()) == declared


def test_tensorflow_is_imported_only_where_it_computes_and_drawing_where_it_draws():
    heavy = {stage for stage in PIPELINE if "src/kidneyct/backbone/vgg.py" in closure(f"stages/{stage}.py")}
    assert heavy == {"features", "train", "explain", "external"}  # external: only where there is a test set
    drawing = {stage for stage in PIPELINE if any(room(path) == "report" for path in closure(f"stages/{stage}.py"))}
    assert drawing == {"report"}


MODULES = sorted(path.as_posix() for path in Path("src/kidneyct").rglob("*.py"))


@pytest.mark.parametrize("module", [module for module in MODULES if not module.endswith("__init__.py")])
def test_arrows_between_rooms_go_one_way(module):
    """A module imports from its own room or from an earlier one, and never in a circle."""
    own = ROOMS.index(room(module))
    later = {path for path in closure(module) if ROOMS.index(room(path)) > own}
    assert later == set()
    assert not any(module in closure(file) for name in imports(module) for file in files(name))


def test_keras_is_imported_where_networks_are():
    importing = {module for module in MODULES if "keras" in {name.split(".")[0] for name in imports(module)}}
    assert {room(module) for module in importing} == {"backbone", "classifier", "training"}


@pytest.mark.parametrize(
    ("main", "given", "line"),
    [
        (lambda: None, ["control"], "expected no argument, found control"),
        (lambda role: None, [], "expected candidate or control, found no argument"),
        (lambda role: None, ["../../x"], "expected candidate or control, found ../../x"),
    ],
)
def test_a_stage_takes_its_role_and_nothing_else(main, given, line, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/project/stages/train.py", *given])
    with pytest.raises(SystemExit) as stopped:
        stages.run(main)
    assert (stopped.value.code, capsys.readouterr().err) == (1, f"error: stages.train: {line}; or run dvc repro\n")


def test_a_stage_prints_what_the_logs_encoding_lacks(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["stages/split.py"])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    monkeypatch.setattr(stages.record, "write", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        stages.run(lambda: print("Cyst/é漢.png"))
    assert (stopped.value.code, sys.stdout.buffer.getvalue()) == (0, "Cyst/é\\u6f22.png\n".encode("latin-1"))
