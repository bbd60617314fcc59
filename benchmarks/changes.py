"""What runs again, and how long, after one thing was changed: a parameter, a chart's colour, a docstring.

    python -m benchmarks.changes
    python -m benchmarks.changes --size full -S data.source=/path/to/images.zip

`dvc repro` in a clone of the last commit, first of everything, then after each change, which is taken back before the
next. Small generated images by default: then nearly all the time is the start of each stage's Python, TensorFlow and
DVC. The second table says how long each stage took in the first run, and how much of that came before its own work.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import repeat, stopwatch

SMALL = (*repeat.SMALL, "phantom.slices_per_patient=2")
SIZES = {"tiny": (*SMALL, "preprocess.image_size=32", "model.dense_units=8"), "cpu": SMALL, "full": (), "gpu": ()}
# name -> (file, what stands there, what is to stand there); for params.yaml a key and a function of its value
CHANGES = {
    "learning rate": ("train.learning_rate", lambda value: 0.0005),
    "split": ("split.seed", lambda value: value + 1),
    "seed": ("seed", lambda value: value + 1),
    "number of explained images": ("explain.images_per_class", lambda value: value + 1),
    "a chart": ("src/kidneyct/report/charts.py", '"""', '"""Drawn again. '),
    "a map's docstring": ("src/kidneyct/maps/explainer.py", '"""', '"""Told again. '),
}
RUNNING = re.compile(r"^Running stage '(.+)':")


def repro(folder, targets):
    """`dvc repro` up to the targets: seconds in all, and of each stage that ran, name -> seconds."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "dvc", "repro", *targets]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    start, begun, said = time.perf_counter(), [], []
    with subprocess.Popen(command, cwd=folder, env=environment, **given) as process:
        for line in process.stdout:
            said.append(line)
            if found := RUNNING.match(line):
                begun.append((found[1], time.perf_counter()))
    end = time.perf_counter()
    if process.returncode:
        sys.exit("".join(said))
    spans = itertools.pairwise([*begun, ("", end)])  # none where nothing ran
    return end - start, {name: until - moment for (name, moment), (_, until) in spans}


def changed(folder, change):
    """Make a change in a clone; a function that takes it back."""
    where, *rest = change
    path = folder / (where if len(rest) == 2 else "params.yaml")
    before = path.read_text()
    if len(rest) == 2:
        path.write_text(before.replace(*rest, 1))
    else:
        repeat.edit(path, where, rest[0])
    return lambda: path.write_text(before)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="cpu")
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="KEY=VALUE", help="a parameter")
    parser.add_argument("--targets", nargs="+", default=[], metavar="STAGE", help="up to these alone")
    options = parser.parse_args()
    settings = dict(each.split("=", 1) for each in (*SIZES[options.size], *options.changes))
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = repeat.clone(Path(place) / "clone", settings)
        first, stages = repro(folder, options.targets)
        own = {name: json.loads((folder / f"records/{name}.json").read_text())["seconds"] for name in stages}
        rows.append({"change": "first run", "seconds": first, "share of the first run": 1.0, "stages": len(stages)})
        rows[0]["run again"] = "all"
        for name, change in CHANGES.items():
            back = changed(folder, change)
            seconds, again = repro(folder, options.targets)
            rows.append({"change": name, "seconds": seconds, "share of the first run": seconds / first})
            rows[-1] |= {"stages": len(again), "run again": " ".join(_short(again))}
            back()
            repro(folder, options.targets)  # from DVC's cache
    stopwatch.publish("changes", options.size, rows)
    starts = [
        {"stage": name, "seconds": taken, "its own work": own[name], "start of Python, DVC": taken - own[name]}
        for name, taken in stages.items()
    ]
    stopwatch.publish("stages", options.size, starts, ["stages of the first run, those of one role follow each other"])


def _short(names):
    """Names of stages, those of both roles once: train@candidate and train@control as train@both."""
    found = []
    for name in names:
        stage, _, role = name.partition("@")
        other = {"candidate": "control", "control": "candidate"}.get(role)
        both = other and f"{stage}@{other}" in names
        text = f"{stage}@both" if both else name
        if text not in found:
            found.append(text)
    return found


if __name__ == "__main__":
    main()
