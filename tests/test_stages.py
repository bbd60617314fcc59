"""dvc.yaml tells the truth: each stage's deps are what it imports, its params what it reads."""

import ast
from pathlib import Path

import dvc.api
import pytest
from ruamel.yaml import YAML

from kidneyct import params

PIPELINE = YAML(typ="safe").load(Path("dvc.yaml"))["stages"]


def body(stage):
    return PIPELINE[stage].get("do", PIPELINE[stage])


def imports(path):
    """Names of this project's modules that a file imports, also inside its functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def closure(script):
    """Every file of the project that running a script imports, the script included."""
    found, pending = set(), [Path(script)]
    while pending:
        path = pending.pop()
        if path in found:
            continue
        found.add(path)
        for name in imports(path):
            package, *rest = name.split(".")
            folder = {"stages": Path("stages"), "kidneyct": Path("src/kidneyct")}.get(package)
            if folder:
                candidates = [folder / "__init__.py", folder / f"{rest[0] if rest else '__init__'}.py"]
                pending.extend(candidate for candidate in candidates if candidate.exists())
    return {path.as_posix() for path in found}


def reads(script):
    """Dotted parameters that a stage script reads from what `params.load` gave it, `p`; all if it passes `p` on."""
    nodes = list(ast.walk(ast.parse(Path(script).read_text())))
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    if any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id == "p" and id(node) not in inner
        for node in nodes
    ):
        return set(params.keys())
    whole = [node for node in nodes if isinstance(node, ast.Attribute) and id(node) not in inner]
    return {name.removeprefix("p.") for name in map(ast.unparse, whole) if name.startswith("p.")}


@pytest.mark.parametrize("stage", PIPELINE)
def test_deps_are_the_import_closure(stage):
    declared = {dep for dep in body(stage)["deps"] if dep.endswith(".py")}
    assert declared == closure(f"stages/{stage}.py")


@pytest.mark.parametrize("stage", PIPELINE)
def test_params_are_what_the_script_reads(stage):
    declared, known = set(body(stage).get("params", [])), set(params.keys())
    sections = {key for key in reads(f"stages/{stage}.py") if key not in known}
    read = reads(f"stages/{stage}.py") - sections
    # A section that is passed on whole counts for all its keys.
    read |= {key for key in known for section in sections if key.startswith(section + ".")}
    assert read == declared


@pytest.mark.parametrize("stage", PIPELINE)
def test_a_stage_sees_what_dvc_watches(stage):
    name = f"{stage}@candidate" if "foreach" in PIPELINE[stage] else stage
    if stage == "check":
        return
    shown = dvc.api.params_show(stages=name)
    loaded = params.load(name)

    assert params.nested(loaded) == shown


def test_every_parameter_is_declared_by_a_stage():
    declared = {key for stage in PIPELINE for key in body(stage).get("params", [])}
    assert set(params.keys()) == declared


def test_tensorflow_is_imported_only_where_it_computes():
    heavy = {stage for stage in PIPELINE if "src/kidneyct/vgg.py" in closure(f"stages/{stage}.py")}
    assert heavy == {"initialize", "features", "train", "evaluate", "explain", "measure"}


def test_no_module_imports_a_later_one():
    """The order in which data flows; a module may import only from before itself."""
    order = [
        "errors",
        "params",
        "archive",
        "kaggle",
        "phantom",
        "images",
        "series",
        "split",
        "similarity",
        "devices",
        "vgg",
        "photographs",
        "weights",
        "features",
        "training",
        "gradients",
        "saliency",
        "smoothgrad",
        "integrated_gradients",
        "gradcam",
        "maps",
        "evaluation",
        "leakage",
        "road",
        "faithfulness",
        "randomization",
        "focus",
        "localization",
        "explanations",
        "calibration",
        "statistics",
        "comparison",
        "figures",
        "report",
        "grid",
        "prediction",
        "demo",
        "__main__",
    ]
    modules = sorted(path.stem for path in Path("src/kidneyct").glob("*.py") if path.stem != "__init__")
    assert modules == sorted(order)
    for module in modules:
        for name in imports(Path(f"src/kidneyct/{module}.py")):
            package, *rest = name.split(".")
            if package == "kidneyct" and rest and rest[0] in order:
                assert order.index(rest[0]) < order.index(module), f"{module} imports {rest[0]}"
