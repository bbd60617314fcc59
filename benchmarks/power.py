"""Cut the power of the disk that a stage writes to, go on, and compare every byte with a run that nobody disturbed.

    PYTHONPATH=src:tests python benchmarks/power.py --cuts 40      # as root, on Linux: it mounts an image as a disk

The project lies on a file system of its own, in an image. At a random moment of a stage that runs under `dvc repro`,
what the image holds is copied, which is what the disk would have kept: what was written and not yet on the disk is
lost. The copy is mounted in its place, its journal replayed, and `dvc repro` goes on. `empty` counts the cuts after
which a file of the project's, or of DVC's, was there without its content; a dvc.lock that DVC can't read is removed, as
docs/troubleshooting.md says. Exit status 1 where a byte differs.
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


def lost(image, kept):
    """What strikes a process group: what the disk holds is copied, and all ends."""

    def strike(group):
        os.killpg(group, signal.SIGSTOP)
        copy(image, kept)
        os.killpg(group, signal.SIGKILL)

    return strike


def empty(place):
    """Files without content, which no run leaves."""
    found = (path for path in (place / "clone").rglob("*") if ".git" not in path.parts and path.name != "__init__.py")
    return [str(path) for path in found if path.is_file() and not path.is_symlink() and not path.stat().st_size]


def compare(runner, options, outs, expected, usual, image, place, generator):
    """Cut the power in the midst of each stage; how many comparisons failed."""
    kept, after = image.with_name("kept"), image.with_name("after")
    failed, total = 0, Counter()
    print(LINE.format("stage", *COLUMNS), flush=True)
    for stage, cuts in chaos.shares(options.stages or list(outs), options.cuts).items():
        counts, seconds = Counter(), None
        while counts["cuts"] < cuts:
            copy(image, kept)
            start = time.perf_counter()
            with mounted(kept, place):
                moment = None if seconds is None else generator.uniform(0, seconds)
                struck, _ = runner.stage(stage, moment, lost(kept, after))
            if not struck:
                seconds = time.perf_counter() - start  # that it needs undisturbed
                continue
            with mounted(after, place):
                cut, gone = runner.cut.total(), sorted(set(empty(place)) - usual)
                runner.repro(*options.stages)
                with contextlib.chdir(place / "clone"):
                    different = [path for path, digest in chaos.digests(expected).items() if digest != expected[path]]
            counts.update(cuts=1, empty=bool(gone), locks=runner.cut.total() - cut, equal=not different)
            for path in gone + different:
                print(f"  {'empty' if path in gone else 'another'}: {path}", flush=True)
        print(LINE.format(stage, *(counts[column] for column in COLUMNS)), flush=True)
        failed += counts["cuts"] - counts["equal"]
        total.update(counts)
    print(LINE.format("all", *(total[column] for column in COLUMNS)))
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuts", type=int, default=40, help="in all (default %(default)s)")
    parser.add_argument("--stages", nargs="+", default=[], metavar="STAGE", help="these alone, such as train@control")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (default %(default)s)")
    options = parser.parse_args()
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        image, place = Path(folder) / "image", Path(folder) / "disk"
        place.mkdir()
        image.touch()
        os.truncate(image, SIZE)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        with contextlib.ExitStack() as stack:
            with mounted(image, place):
                project = tiny.clone(place / "clone", forked=False)
                project.environment["DVC_SITE_CACHE_DIR"] = str(place / "dvc")  # its notes of what it has hashed
                runner = stack.enter_context(chaos.Runner(project))
                runner.repro(*options.stages)
                with contextlib.chdir(project.folder):
                    outs = chaos.stages()
                    expected = chaos.digests([path for paths in outs.values() for path in paths if Path(path).exists()])
                usual = set(empty(place))
            failed = compare(runner, options, outs, expected, usual, image, place, generator)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
