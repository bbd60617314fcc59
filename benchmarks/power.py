"""Cut the power of the disk that a stage writes to, go on, and compare every byte with a run that nobody disturbed.

    PYTHONPATH=src:tests python benchmarks/power.py --cuts 40      # as root, on Linux: it mounts an image as a disk

The project lies on a file system of its own, in an image. At a random moment of a stage that runs under `dvc repro`,
what the image holds is copied, which is what the disk would have kept: what was written and not yet on the disk is
lost. The copy is mounted in its place, its journal replayed, and `dvc repro` goes on. `empty` counts the cuts after
which a file of the project's, or of DVC's, was there without its content; a dvc.lock that DVC can't read is removed, as
docs/reliability.md says. Exit status 1 where a byte differs.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import chaos
import tiny

SIZE = 1500 * 2**20  # of the image, which takes what is written to it
COLUMNS = ("cuts", "empty", "locks", "equal")
LINE = "{:22}" + " {:>6}" * len(COLUMNS)


@contextlib.contextmanager
def mounted(image, place):
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield
    finally:
        for _ in range(60):
            if not subprocess.run(["umount", place], capture_output=True).returncode:
                break
            time.sleep(0.5)  # until all that was killed is gone
        else:
            raise SystemExit(f"{place}: still in use")


def copy(image, other):
    """Another copy of an image, which takes no room where there is nothing in it."""
    subprocess.run(["cp", "--sparse=always", image, other], check=True)


def environment(project):
    """DVC's notes of what it has hashed lie on the same disk, and TensorFlow's home."""
    own = {name: value for name, value in project.environment.items() if name != "PYTHONPATH"}
    return own | {"DVC_SITE_CACHE_DIR": str(project.folder.parent / "dvc"), "HOME": str(project.folder.parent / "home")}


def cut(image, kept, place, stage, after, env):
    """Run a stage under DVC; after some seconds, or never, keep what the disk holds: was there a moment to do it?"""
    with mounted(image, place):
        command = ["dvc", "repro", "--force", "--no-run-cache", "--single-item", stage]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=place / "clone", env=env, start_new_session=True, **quiet)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after)
        running = process.returncode is None
        if running:
            os.killpg(process.pid, signal.SIGSTOP)
            copy(image, kept)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return running


def resume(place, stage, env):
    """`dvc repro` after the cut; how many times dvc.lock had to go."""
    locks = 0
    while True:
        done = subprocess.run(["dvc", "repro"], cwd=place / "clone", env=env, capture_output=True, text=True)
        output = done.stdout + done.stderr
        if not done.returncode:
            return locks
        if locks or not chaos.HALF_A_LOCK.search(output):
            raise SystemExit(f"{stage}: exit status {done.returncode}\n{output}")
        (place / "clone/dvc.lock").unlink()
        locks += 1


def empty(place):
    """Files without content, which no run leaves."""
    found = (path for path in (place / "clone").rglob("*") if ".git" not in path.parts and path.name != "__init__.py")
    return [path for path in found if path.is_file() and not path.is_symlink() and not path.stat().st_size]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuts", type=int, default=40, help="in all (default %(default)s)")
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="these alone, such as train@control")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (default %(default)s)")
    options = parser.parse_args()
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        image, kept, place = Path(folder) / "image", Path(folder) / "kept", Path(folder) / "disk"
        place.mkdir()
        image.touch()
        os.truncate(image, SIZE)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        with mounted(image, place):
            project = tiny.clone(place / "clone")
            env = environment(project)
            subprocess.run(["dvc", "repro", "-q"], cwd=project.folder, env=env, check=True)
            os.chdir(project.folder)
            outs = chaos.stages()
            expected = chaos.digests([path for paths in outs.values() for path in paths if Path(path).exists()])
            usual = set(map(str, empty(place)))
            os.chdir("/")
            os.sync()
        failed, total = 0, Counter()
        print(LINE.format("stage", *COLUMNS), flush=True)
        for stage, cuts in chaos.shares(options.stages or list(outs), options.cuts).items():
            counts, seconds = Counter(), None
            while counts["cuts"] < cuts:
                copy(image, kept)
                start, after = time.perf_counter(), None if seconds is None else generator.uniform(0, seconds)
                if not cut(kept, Path(folder) / "after", place, stage, after, env):
                    seconds = time.perf_counter() - start  # undisturbed
                    continue
                with mounted(Path(folder) / "after", place):
                    counts["cuts"] += 1
                    lost = set(map(str, empty(place))) - usual
                    counts["empty"] += bool(lost)
                    counts["locks"] += resume(place, stage, env)
                    os.chdir(place / "clone")
                    different = [path for path, digest in chaos.digests(expected).items() if digest != expected[path]]
                    os.chdir("/")
                    counts["equal"] += not different
                    for path in sorted(lost) + different:
                        print(f"  {'empty' if path in lost else 'another'}: {path}", flush=True)
            print(LINE.format(stage, *(counts[column] for column in COLUMNS)), flush=True)
            failed += counts["cuts"] - counts["equal"]
            total.update(counts)
        print(LINE.format("all", *(total[column] for column in COLUMNS)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
