"""Ways of doing the same thing, timed by turns; and what came of it, as a table and as JSON.

Every benchmark has settings for four sizes: `tiny` shows that it runs, `cpu` is for two cores, `full` for the study's
own numbers on them, which takes hours, and `gpu` for a machine with one.
"""

import argparse
import gc
import importlib.metadata
import importlib.util
import json
import os
import shlex
import statistics
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "tensorflow",
    "keras",
    "ncnn",
    "numpy",
    "pillow",
    "dvc",
    "jax",
    "onnxruntime",
    "torch",
    "tf-keras-vis",
    "xplique",
)
SIZES = ("tiny", "cpu", "full", "gpu")


def options(doc, sizes):
    """What the command line says: `size`, and the settings of that size, by name; `sizes` holds those of "cpu" first.

    Another size changes what it names of these.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="cpu", help="how much is measured (default %(default)s)")
    for name, value in sizes["cpu"].items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), metavar=str(value))
    given = parser.parse_args()
    settings = sizes["cpu"] | sizes.get(given.size, {})
    for name in settings:
        if getattr(given, name) is None:
            setattr(given, name, settings[name])
    return given


def interleaved(ways, repetitions, warm=True):
    """Seconds of each way, name -> list, each way called once a turn; and, with `warm`, once before, to compile."""
    for way in ways.values() if warm else ():
        way()
    seconds = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            gc.collect()
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def spread(values):
    """Median, lowest and highest of some numbers."""
    values = list(values)
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def rate(count, seconds):
    """`count` things in each of these seconds, a second."""
    return spread(count / each for each in seconds)


def ratio(seconds, others):
    """How many times as long the others took, turn by turn."""
    return spread(other / own for own, other in zip(seconds, others, strict=True))


def installed(package):
    """Whether a package for comparison is there; a line says where it isn't."""
    found = importlib.util.find_spec(package) is not None
    if not found:
        print(f"{package}: not installed, left out (pip install {package})", flush=True)
    return found


def publish(name, size, rows, notes=()):
    """Print rows (dicts of the same keys) as a table, and write them as JSON into results/, but for a tiny run."""
    columns = list(rows[0])
    cells = [columns, *([text(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[number]) for line in cells) for number in range(len(columns))]
    print(f"\n{name}")
    for number, line in enumerate(cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    for note in notes:
        print(note)
    print(flush=True)
    if size == "tiny":
        return
    found = {
        "command": shlex.join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "packages": {each: version for each in PACKAGES if (version := _version(each))},
        "rows": [{column: _rounded(row[column]) for column in columns} for row in rows],
        "notes": list(notes),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / (f"{name}.json" if size == "cpu" else f"{name}-{size}.json")
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def text(value):
    """A number in three digits, a spread as its median and range, all else as it is."""
    if isinstance(value, dict):
        return f"{_number(value['median'])} ({_number(value['low'])} to {_number(value['high'])})"
    return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _number(value):
    """Three significant digits, none behind the point from 100 on."""
    if value == 0 or value != value:
        return f"{value:g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
