"""Each stage of dvc.yaml is one script here; it runs the library of its own checkout.

`dvc exp run --temp` and `--queue` run a copy of the project: putting that copy's `src` first keeps an
installed kidneyct from answering in its place.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from kidneyct.errors import InputError


def run(main):
    """Call main with the command line's arguments; a user's mistake is one line and exit status 1."""
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
