"""Run the commands of docs/tutorial.md in a fresh clone and compare what they print.

    make tutorial

A block of `sh` is run; a block of `text` behind it is what it has to print, with `…` for anything. Exit status 1 at the
first that differs.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path("docs/tutorial.md")
BLOCK = re.compile(r"```sh\n(.*?)```(?:\n+```text\n(.*?)```)?", re.DOTALL)


def blocks(page):
    """Command and expected text of each block; None where any text will do."""
    return [(command, expected or None) for command, expected in BLOCK.findall(page)]


def pattern(expected):
    """The expected text as a regular expression; runs of spaces count as one, as a table's widths differ."""
    pieces = (re.escape(" ".join(piece.split())) for piece in expected.split("…"))
    return ".*".join(pieces)


def main():
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", ".", clone], check=True)
        author = {"GIT_AUTHOR_NAME": "tutorial", "GIT_AUTHOR_EMAIL": "tutorial@localhost"}
        committer = {name.replace("AUTHOR", "COMMITTER"): value for name, value in author.items()}
        path = {"PATH": f"{clone}/.venv/bin{os.pathsep}{os.environ['PATH']}"}
        for command, expected in blocks(PAGE.read_text(encoding="utf-8").replace("/tmp/", f"{folder}/")):
            print(f"$ {command}", flush=True)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=clone,
                env=os.environ | author | committer | path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            print(done.stdout, flush=True)
            if done.returncode:
                return f"expected exit status 0, found {done.returncode}"
            if expected and not re.search(pattern(expected), " ".join(done.stdout.split()), re.DOTALL):
                return f"expected\n{expected}"


if __name__ == "__main__":
    sys.exit(main())
