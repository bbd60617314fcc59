"""Peak memory of each stage over N, 2 N and 4 N images, generated at their full size of 512 pixels.

    python -m benchmarks.memory
    python -m benchmarks.memory --size full                         # up to 12,448 images of 200 pixels, an hour
    python -m benchmarks.memory --size full --until leakage         # no stage that comes after this one

Each stage runs for the candidate alone, in a clone of the last commit; the control's outputs are copies of its. The
peak is the resident set's, which counts the pages of memory-mapped arrays that were read: those the system takes back
when it needs them. So the last column says how much of the growth from N to 4 N is more than that of the arrays which
the stage itself may read; what it writes goes past its memory.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import repeat, stopwatch
from kidneyct.pipeline import params, yaml12

SIZES = {
    "cpu": {"images": 48, "image_size": 100, "epochs": 2, "until": "report"},
    "tiny": {"images": 40, "image_size": 32, "epochs": 1},
    "full": {"images": 3112, "image_size": 200, "epochs": 5},
    "gpu": {"images": 3112, "image_size": 200, "epochs": 5},
}
SLICES = 2  # of a patient
MAPPED = ("data/images/images.npy", "data/images/thumbnails.npy", "data/features/candidate/features.npy")


def pipeline(folder):
    """Of each stage but the control's: name, command, inputs and outputs, in an order in which they can run."""
    stages = params.stages(folder / "dvc.yaml")
    pending = {name.split("@")[0]: stage for name, stage in stages.items() if not name.endswith("@control")}
    every, found, made = {path for stage in pending.values() for path in stage["outs"]}, [], set()
    while pending:
        name = next(name for name, stage in pending.items() if _needed(stage) & every <= made)
        stage = pending.pop(name)
        made |= set(stage["outs"])
        found.append((name, stage["cmd"].split()[1:], _needed(stage), stage["outs"]))
    return found


def _needed(stage):
    """What a stage depends on, the control's files taken for the candidate's."""
    return {path.replace("control", "candidate") for path in stage["deps"]}


# Between this process and the stage's: a new process is said to have needed what the one that started it did.
BETWEEN = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


def peak(command, folder):
    """Peak resident memory in MiB of a stage's process."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.NamedTemporaryFile() as told:
        between = [sys.executable, "-S", "-c", BETWEEN, told.name]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
        done = subprocess.run([*between, sys.executable, *command], cwd=folder, env=environment, **pipes)
        if done.returncode:
            sys.exit(f"{' '.join(command)}:\n{done.stdout}")
        scale = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes on Linux
        return int(Path(told.name).read_text()) / scale


def run(folder, options, count):
    """On so many images, name -> MiB: each stage's peak, and the arrays that it may read; and all arrays' MiB."""
    patients = max(1, round(count / 4 / SLICES))
    settings = {
        "data.source": "phantom",
        "weights": "none",
        "phantom.patients_per_class": str(patients),
        "phantom.slices_per_patient": str(SLICES),
        "preprocess.image_size": str(options.image_size),
        "train.epochs": str(options.epochs),
        "explain.mistakes": "0",
        "explain.measured_images": "1",
    }
    repeat.clone(folder, settings)
    found, maps = {}, {}
    for name, command, inputs, outputs in pipeline(folder):
        found[name] = peak(command, folder)
        maps[name] = _size(folder, [path for path in MAPPED if str(Path(path).parent) in inputs])
        for path in outputs:
            other = folder / path.replace("candidate", "control")
            if "candidate" in path and (folder / path).exists():
                other.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (folder / path).is_dir() else shutil.copy
                copy(folder / path, other)
        if name == options.until:
            break
    return found, maps, _size(folder, MAPPED)


def _size(folder, paths):
    return sum((folder / path).stat().st_size for path in paths if (folder / path).exists()) / 2**20


def main():
    options = stopwatch.options(__doc__, SIZES)
    names = list(yaml12.read("dvc.yaml")["stages"])
    if options.until not in names:
        sys.exit(f"--until: expected one of {', '.join(names)}, found {options.until}")
    counts = [options.images * times for times in (1, 2, 4)]
    found, maps, mapped = [], [], []
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            for each, measured in zip((found, maps, mapped), run(Path(place) / "clone", options, count), strict=True):
                each.append(measured)

    def beyond(stage):
        return found[-1][stage] - found[0][stage] - (maps[-1][stage] - maps[0][stage])

    rows = [
        {"stage": stage}
        | {f"MiB, {count:,} images": peaks[stage] for count, peaks in zip(counts, found, strict=True)}
        | {"growth beyond what it reads, MiB": max(0.0, beyond(stage))}
        for stage in found[0]
    ]
    note = f"the memory-mapped arrays take {mapped[0]:.0f}, {mapped[1]:.0f} and {mapped[2]:.0f} MiB"
    stopwatch.publish("memory", options.size, rows, [note])


if __name__ == "__main__":
    main()
