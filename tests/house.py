"""Who imports whom in this project, read from its source, and its parameters' defaults, read from their page."""

import ast
import functools
from pathlib import Path

from kidneyct.pipeline import yaml12

FOLDERS = {"stages": Path("stages"), "kidneyct": Path("src/kidneyct")}
ROOMS = [
    *("pipeline", "files", "images", "sources", "series", "probe", "leakage", "backbone", "classifier", "training"),
    *("maps", "measures", "statistics", "report", "experiments", "predict", "app", "commands", "__main__"),
]


@functools.cache
def imports(path):
    """Names of what a file imports, also inside its functions."""
    found = []
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def files(name):
    """The module of this project that a dotted name means or lies in; none for another package's."""
    package, *rest = name.split(".")
    path = FOLDERS.get(package)
    for part in rest if path else ():
        if (path / f"{part}.py").exists():
            return [path / f"{part}.py"]
        path = path / part
    return []


@functools.cache
def closure(script):
    """Every module of the project that running a script imports, the script included.

    The folders' `__init__.py` are left out: they hold a docstring, or set up what changes no result.
    """
    reached, pending = set(), [Path(script)]
    while pending:
        path = pending.pop()
        if path not in reached:
            reached.add(path)
            pending += [file for name in imports(path) for file in files(name)]
    return frozenset(path.as_posix() for path in reached)


def room(path):
    """The folder in src/kidneyct that a module lies in; "" for the nouns that all rooms share."""
    parts = Path(path).relative_to("src/kidneyct").parts if str(path).startswith("src/kidneyct") else ("", "")
    return parts[0] if len(parts) > 1 else "__main__" if parts[0] == "__main__.py" else ""


def parameters():
    """Of each row in the tables of docs/parameters.md: key, default without its mark, and what is allowed."""
    for line in Path("docs/parameters.md").read_text().splitlines():
        if line.startswith("| `"):
            key, default, allowed, _ = (cell.strip() for cell in line.strip("|").split("|"))
            yield key.strip("`"), default.removesuffix(" (paper)").strip("`"), allowed


def defaults():
    """The study's own settings, nested, whatever a demo or a user left in params.yaml."""
    values = {}
    for key, default, _ in parameters():
        *section, name = key.split(".")
        (values.setdefault(*section, {}) if section else values)[name] = yaml12.parse(
            default.encode(), "docs/parameters.md"
        )
    return values
