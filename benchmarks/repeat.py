"""Does the same run give the same bytes? The whole pipeline again, under what may differ from place to place.

    python -m benchmarks.repeat                                              # generated images, minutes
    python -m benchmarks.repeat -S data.source=/path/to/images.zip -S phantom.seed=0

Each case runs every stage again, with an empty cache, in a clone of the last commit, and compares what dvc.lock says of
every output with the first run's. Where an output differs, the greatest difference of its numbers is told, as a share
of the greatest number. The exit status is 1 where outputs differ in a case that promises equality.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import yaml

from kidneyct.pipeline import yaml12

SMALL = (
    "data.source=phantom",
    "weights=none",
    "phantom.patients_per_class=6",
    "preprocess.image_size=64",
    "model.dense_units=128",
    "train.epochs=4",
    "train.batch_size=16",
    "explain.mistakes=1",
    "explain.measured_images=1",
)
# case -> (folder, environment, on one processor only, the same bytes promised)
CASES = {
    "once more, forced": ("first", {}, False, True),
    "another folder, home and time zone": ("Zweite Prüfung", {"TZ": "Pacific/Auckland"}, False, True),
    "another locale and hash seed": ("third", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONHASHSEED": "7"}, False, True),
    "one thread": (
        "fourth",
        {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"},
        True,
        False,
    ),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="KEY=VALUE", help="a parameter")
    options = parser.parse_args()
    changes = dict(each.split("=", 1) for each in (*SMALL, *options.changes))
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        first = clone(place / "first", changes)
        known = outputs(repro(first, {}))
        print(f"{len(known)} outputs of {subprocess.getoutput('git rev-parse --short HEAD')}", flush=True)
        broken = False
        for case, (name, environment, alone, promised) in CASES.items():
            again = name == "first"
            folder = first if again else clone(place / name, changes)
            saved = {path: numbers(first / path) for path in known} if again else None
            found = outputs(repro(folder, environment, alone, force=again))
            different = [path for path in known if found[path] != known[path]]
            print(f"{case}: {len(known) - len(different)} of {len(known)} outputs have the same bytes", flush=True)
            for path in different:
                before = saved[path] if again else numbers(first / path)
                print(f"    {path}: {difference(before, numbers(folder / path))}", flush=True)
            broken |= promised and bool(different)
    return int(broken)


def clone(folder, changes):
    """The last commit in a folder of its own, with some parameters changed."""
    subprocess.run(["git", "clone", "-q", ".", str(folder)], check=True)
    for key, text in changes.items():
        edit(folder / "params.yaml", key, lambda value, text=text: yaml12.parse(text.encode(), text))
    return folder


def edit(path, key, change):
    """Put `change(value)` in the place of a parameter's value."""
    values = yaml12.read(path)
    *sections, name = key.split(".")
    section = values
    for each in sections:
        section = section[each]
    section[name] = change(section[name])
    path.write_text(yaml.safe_dump(values))


def repro(folder, environment, alone=False, force=False):
    """`dvc repro` of everything; what dvc.lock then says."""
    home = folder.parent / f"home of {folder.name}"
    home.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", *(["--force", "--no-run-cache"] if force else [])],
        cwd=folder,
        env=os.environ | {"PATH": path, "HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        capture_output=True,
        text=True,
        errors="replace",
        preexec_fn=(lambda: os.sched_setaffinity(0, {0})) if alone else None,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return yaml12.read(folder / "dvc.lock")


def outputs(lock):
    """MD5 of each output, path -> digest."""
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", [])}


def numbers(path):
    """All numbers of a file, or of a folder's files, in one array, or None for a file of another kind."""
    if path.is_dir():
        found = [numbers(file) for file in sorted(path.rglob("*")) if file.is_file()]
        return np.concatenate([each for each in found if each is not None] or [np.empty(0)])
    match path.suffix:
        case ".npy":
            found = [np.load(path)]
        case ".npz":
            with np.load(path) as arrays:
                found = [arrays[name] for name in arrays]
        case ".h5":
            found = []
            with h5py.File(path) as file:
                file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
        case ".json":
            found = [np.array(list(leaves(json.loads(path.read_text()))))]
        case ".csv":
            found = [pd.read_csv(path).select_dtypes("number").to_numpy()]
        case _:
            return None
    return np.concatenate([each.astype(float).ravel() for each in found if each.dtype.kind in "fiub"])


def leaves(tree):
    """The numbers of a JSON document, in order."""
    if isinstance(tree, dict | list):
        for each in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(each)
    elif isinstance(tree, int | float):
        yield tree


def difference(one, other):
    if one is None:
        return "not the same"
    if one.shape != other.shape:
        return f"{one.size} numbers against {other.size}"
    greatest = np.nanmax(np.abs(one), initial=0)
    return f"differs by up to {np.nanmax(np.abs(one - other), initial=0) / greatest:.1e}"


if __name__ == "__main__":
    sys.exit(main())
