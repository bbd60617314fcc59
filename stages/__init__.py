"""Each stage of dvc.yaml is one script here; it runs the library of its own checkout.

`dvc exp run --temp` and `--queue` run a copy of the project: putting that copy's `src` first keeps an
installed kidneyct from answering in its place.
"""

import inspect
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from kidneyct.pipeline import errors

if sys.argv[0] == "-m":  # `python -m stages.NAME`, before its imports
    errors.end_at_once()

from kidneyct.files import record
from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline.roles import ROLES


def run(main):
    """Call main with the command line's arguments and record what made its results; exit as `errors.run_main` says."""

    def recorded():
        given, start = _arguments(main, sys.argv[1:]), time.monotonic()
        main(*given)
        record.write("@".join([Path(sys.argv[0]).stem, *given]), time.monotonic() - start)

    errors.print_anything()
    sys.exit(errors.run_main(recorded))


def _arguments(main, given):
    """What the command line gives: one of the roles where `main` takes one, else nothing."""
    wanted, stage = len(inspect.signature(main).parameters), Path(sys.argv[0]).stem
    if len(given) != wanted or not set(given) <= set(ROLES):
        expected, found = " or ".join(ROLES) if wanted else "no argument", " ".join(given) or "no argument"
        raise errors.InputError(f"stages.{stage}: expected {expected}, found {found}; or run dvc repro")
    return given


# What a JSON file has at least, by its name.
KEYS = {
    "evaluation.json": (
        *("accuracy", "macro_f1", "collapsed", "training_accuracy", "untrained"),
        *("expected_calibration_error", "brier_score", "classes"),
    ),
    "probe.json": ("all blocks",),
    "maps.json": ("settings", "maps"),
    "comparison.json": ("images", "series", "accuracy", "classes"),
    "leakage.json": ("accuracy", "near_duplicates", "series", "null_controls"),
    "external.json": ("images",),
    "facts.json": ("images",),
}


def read_json(path):
    """What a stage wrote with `write_json`; InputError where it is missing, damaged or another's."""
    try:
        tree = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise errors.missing(path) from None
    except (ValueError, RecursionError) as error:
        raise errors.corrupt(path, "JSON", f"none ({error})") from None
    absent = [key for key in KEYS.get(Path(path).name, ()) if not isinstance(tree, dict) or key not in tree]
    if absent:
        raise errors.corrupt(path, "JSON of this project", f"no {', '.join(absent)}")
    return tree


def write_json(path, tree):
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(tree, indent=2) + "\n")


def by_role(read, path, *given):
    """What `read` finds for each role, role -> result; `path` has {} where the role stands, `given` goes behind it."""
    return {role: read(path.format(role), *given) for role in ROLES}
