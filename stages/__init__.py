"""Each stage of dvc.yaml is one script here; it runs the library of its own checkout.

`dvc exp run --temp` and `--queue` run a copy of the project: putting that copy's `src` first keeps an
installed kidneyct from answering in its place.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from kidneyct.errors import InputError
from kidneyct.roles import ROLES


def run(main):
    """Call main with the command line's arguments; a user's mistake is one line and exit status 1."""
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")


def read_json(path):
    return json.loads(Path(path).read_text())


def write_json(path, tree):
    place(path).write_text(json.dumps(tree, indent=2) + "\n")


def place(path):
    """The path, its folder made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def by_role(read, path):
    """What `read` finds for each role, role -> result; `path` has {} where the role stands."""
    return {role: read(path.format(role)) for role in ROLES}
