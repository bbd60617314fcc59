"""What made a result: versions, device, seeds. DVC neither keeps nor hashes it, as it may hold dates and paths."""

import contextlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from kidneyct.files.atomic import atomic_write
from kidneyct.pipeline import params
from kidneyct.pipeline.errors import InputError

FOLDER = Path("records")
PACKAGES = ("dvc", "h5py", "keras", "ncnn", "numpy", "pandas", "pillow", "scikit-learn", "scipy", "tensorflow")
PACKAGES += ("jax", "ray")
# Environment variables that may change what is computed; no others, which may hold secrets.
SETTINGS = ("CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "OMP_NUM_THREADS", "XLA_FLAGS", "TF_XLA_FLAGS")
SETTINGS += ("TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS")


def write(stage, seconds):
    """Write records/STAGE.json, of a stage ("train@candidate") that took so many seconds.

    A stage whose result DVC takes from its cache leaves the last record. Where it can't be written, a line says so.
    """
    try:
        with atomic_write(FOLDER / f"{stage}.json") as partial:
            partial.write_text(json.dumps(made_by(stage, seconds), indent=2) + "\n", encoding="utf-8")
    except InputError as error:
        print(f"no record of what made this result: {error}", file=sys.stderr)


def made_by(stage, seconds):
    commit = _git("rev-parse", "HEAD")
    changed = None if commit is None else _git("status", "--porcelain", "--untracked-files=no")
    found = {
        "stage": stage,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "commit": commit,
        "changed": None if changed is None else [line[3:] for line in changed.splitlines()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "packages": versions(),
        "environment": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "parameters": params.validate().model_dump(),
    }
    devices = sys.modules.get("kidneyct.backbone.devices")  # None in a stage that computes without Keras
    precision = found["parameters"]["train"]["precision"] if stage.startswith("train@") else "float32"
    return found | ({"device": devices.describe(precision)} if devices else {})


def versions(packages=PACKAGES):
    """The releases of some packages that are installed, name -> version; TensorFlow need not be, beside JAX."""
    found = {}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _git(*arguments):
    """What git says; None, and its reason printed, where it can't: outside a repository, or in one of another owner."""
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(["git", *arguments], capture_output=True, text=True)
        if not done.returncode:
            return done.stdout.rstrip()
        print(f"no commit is recorded: {' '.join(done.stderr.split())}", file=sys.stderr)
