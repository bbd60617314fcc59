"""Kill each stage at random moments, go on, and compare every byte with a run that nobody disturbed.

    make chaos                                                              # 200 kills on small phantom data
    PYTHONPATH=src:tests python benchmarks/chaos.py --kills 20 --stages features train
    PYTHONPATH=src:tests python benchmarks/chaos.py --folder /tmp/chaos     # once more: goes on where it was stopped
    PYTHONPATH=src:tests python benchmarks/chaos.py -S data.source=/path/to/images.zip -S train.epochs=3

Each stage runs under `dvc repro`, forked from a process that has imported what both need (tests/nursery.py), and all of
it gets SIGKILL, SIGTERM or SIGINT, by turns, at a moment drawn uniformly over the time that it needs
undisturbed. After three kills in a row it is left to end. `before`, `amid` and `after` count the kills that found none,
some and all of its outputs written; `resumed` those after which the stage said that it went on from where it was; one
that comes before there is anything to go on from leads to no such line. A kill while DVC itself writes dvc.lock or its
rwlock leaves half of one: what docs/troubleshooting.md says is done then, and counted. Exit status 1 where a byte
differs.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import nursery
import psutil
import tiny

from kidneyct.pipeline import params, yaml12

KILLS = 200
IN_A_ROW = 3
PATIENCE = 600  # seconds that a process may take to end after its signal
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
OFTEN = {"features": 4, "train": 4, "explain": 4}  # more kills than others, as these are resumed
SETTINGS = {  # long enough that not all kills fall into the start of Python
    "phantom": {"patients_per_class": 6, "slices_per_patient": 4},
    "preprocess": {"image_size": 64},
    "model": {"dense_units": 64},
    "train": {"epochs": 30, "patience": 30, "batch_size": 8, "learning_rate": [0.001, 0.003]},
    "explain": {"measured_images": 4},
}
CUT_SHORT = {  # what DVC says of a file of its own that was written in part -> the file
    re.compile(r"dvc\.lock' (validation failed|is invalid)"): "dvc.lock",
    re.compile(r"Unable to read RWLock-file"): ".dvc/tmp/rwlock",
}
GOES_ON = re.compile(r": goes on at |was (done|left out) before the interruption")
COLUMNS = ("kills", "before", "amid", "after", "resumed", "equal")
LINE = "{:22} {:8}" + " {:>7}" * len(COLUMNS)


class Runner:
    """Runs DVC in a project's folder; ends what it started when the block does."""

    def __init__(self, project):
        self.folder, self.environment = project.folder, dict(project.environment)
        self.environment.pop("PYTHONPATH", None)  # the project's own library is to answer
        self.process, self.cut = None, Counter()

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        if self.process:
            for each in psutil.process_iter():
                with contextlib.suppress(psutil.Error, OSError):
                    if Path(each.cwd()).is_relative_to(self.folder):
                        each.kill()
            self.process.communicate()

    def stage(self, name, after=None, strike=None):
        """Run a stage, and after some seconds call `strike` with its process group: was it, and the output."""
        arguments = ["repro", "--force", "--no-run-cache", "--single-item", name]
        struck, status, output = self._run(arguments, after, strike)
        if not struck and status and self.mended(output):
            self.repro(name)  # the stages before it are all in DVC's cache
            struck, status, output = self._run(arguments, after, strike)
        if not struck and status:
            raise SystemExit(f"{name}: exit status {status}\n{output}")
        return struck, output

    def repro(self, *names):
        """`dvc repro`, of all stages or of some."""
        _, status, output = self._run(["repro", *names])
        if status and self.mended(output):
            _, status, output = self._run(["repro", *names])
        if status:
            raise SystemExit(f"dvc repro {' '.join(names)}: exit status {status}\n{output}")

    def mended(self, output):
        """Whether DVC complained of half a file of its own; it is removed then, as docs/troubleshooting.md says."""
        for complaint, file in CUT_SHORT.items():
            if complaint.search(output):
                (self.folder / file).unlink()
                self.cut[file] += 1
                return True
        return False

    def _run(self, arguments, after=None, strike=None):
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        options = pipes | {"cwd": self.folder, "env": self.environment, "start_new_session": True}
        self.process = subprocess.Popen(["dvc", *arguments], **options)
        # What is printed ends when all processes have, and DVC may end before its stage does.
        try:
            struck, output = False, self.process.communicate(timeout=after)[0]
        except subprocess.TimeoutExpired:
            struck = True
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                strike(self.process.pid)
            try:
                output, _ = self.process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                raise SystemExit(f"dvc {' '.join(arguments)}: still running {PATIENCE} s after it was struck") from None
        status, self.process = self.process.returncode, None
        return struck, status, output


def stages():
    """The stages in their order, such as train@candidate: name -> its outputs."""
    return {name: stage["outs"] for name, stage in params.stages().items()}


def digests(paths):
    """SHA-256 of each file, or of a folder's files one after the other; None where there is none."""
    return {p: _digest(Path(p)) if Path(p).exists() else None for p in paths}


def _digest(path):
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def remove(paths):
    """Remove files and folders."""
    for path in map(Path, paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def shares(names, kills):
    """How many kills each stage gets, so that there are so many in all."""
    weights = {name: OFTEN.get(name.partition("@")[0], 1) for name in names}
    spread = [name for turn in range(max(weights.values())) for name in names if turn < weights[name]]
    return Counter(itertools.islice(itertools.cycle(spread), kills))


def torment(runner, stage, outs, expected, kills, generator):
    """Kill a stage so many times: a table signal's name -> Counter of COLUMNS."""
    start = time.perf_counter()
    runner.stage(stage)
    seconds = time.perf_counter() - start
    counts, numbers = {number.name: Counter() for number in SIGNALS}, itertools.cycle(SIGNALS)
    killed, done, tries = [], 0, 0
    while done < kills or killed:
        ending = len(killed) == IN_A_ROW or done == kills
        number = None if ending else next(numbers)
        after = None if ending else generator.uniform(0, seconds)
        remove(outs)  # as DVC does, which may not come to it
        struck, output = runner.stage(stage, after, lambda group, number=number: os.killpg(group, number))
        if killed and GOES_ON.search(output):
            counts[killed[-1].name]["resumed"] += 1
        if struck:
            there = sum(Path(out).exists() for out in outs)
            place = "before" if not there else "after" if there == len(outs) else "amid"
            counts[number.name].update(["kills", place])
            killed.append(number)
            done += 1
        else:  # it came to its end, as it was to or because it was quicker than the signal
            equal = digests(outs) == {out: expected[out] for out in outs}
            for each in killed:
                counts[each.name]["equal"] += equal
            killed, tries = [], tries + 1
            if tries > 10 * (kills + 1):
                raise SystemExit(f"{stage}: too short to be killed")
    return counts


class Notes:
    """A JSON file of what is known so far, whole at any moment."""

    def __init__(self, path):
        self.path = path
        self.known = json.loads(path.read_text()) if path.exists() else {}

    def add(self, name, value):
        self.known[name] = value
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.known, indent=1))
        partial.replace(self.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=KILLS, help="in all (default %(default)s)")
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="these alone, such as features or train@control")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (default %(default)s)")
    parser.add_argument("--folder", type=Path, help="where it works, and goes on if it was stopped (a temporary one)")
    parser.add_argument("-S", dest="changes", action="append", default=[], metavar="KEY=VALUE", help="a parameter")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        notes = Notes(folder / "notes.json")
        if "cloned" not in notes.known:
            project = tiny.clone(folder / "clone")
            project.edit(SETTINGS)
            project.edit(nested(options.changes))
            project.commit()
            notes.add("cloned", True)
        project = tiny.Project(folder / "clone")
        os.chdir(project.folder)
        nursery.ready()
        with Runner(project) as runner:
            unequal = compare(runner, options, notes)
        os.chdir("/")
    sys.exit(1 if unequal else 0)


def nested(changes):
    """Parameters KEY=VALUE as sections of keys."""
    values = {}
    for each in changes:
        key, text = each.split("=", 1)
        *sections, name = key.split(".")
        section = values
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = yaml12.parse(text.encode(), key)
    return values


def compare(runner, options, notes):
    """Run everything undisturbed, torment every stage, let `dvc repro` end it; how many comparisons failed."""
    outs = stages()
    wanted = options.stages or list(outs)
    names = [name for name in outs if name in wanted or name.partition("@")[0] in wanted]
    if "expected" not in notes.known:
        runner.repro(*names)
        notes.add("expected", digests([path for paths in outs.values() for path in paths if Path(path).exists()]))
    expected = notes.known["expected"]
    print(LINE.format("stage", "signal", *COLUMNS), flush=True)
    total, cut = Counter(), Counter(dict.fromkeys(CUT_SHORT.values(), 0))
    for stage, kills in shares(names, options.kills).items():
        if stage not in notes.known:
            generator = random.Random(f"{options.seed} {stage}")
            runner.cut.clear()
            counts = torment(runner, stage, outs[stage], expected, kills, generator)
            notes.add(stage, counts | {"cut short": dict(runner.cut)})
        counts = dict(notes.known[stage])
        cut.update(counts.pop("cut short", {}))
        for number, count in counts.items():
            print(LINE.format(stage, number, *(count.get(column, 0) for column in COLUMNS)), flush=True)
            total.update(count)
    print(LINE.format("all", "", *(total[column] for column in COLUMNS)))
    print("cut short: " + ", ".join(f"{file} {times} times" for file, times in cut.items()))
    runner.repro(*names)
    different = [path for path, digest in digests(expected).items() if digest != expected[path]]
    left = sorted(str(path) for path in Path().rglob("*.partial"))
    left += [str(path) for path in Path(".unfinished").glob("*@*")]
    left += [str(path) for folder in ("data", "models", "metrics", "plots") for path in Path(folder).rglob(".[!g]*")]
    print(f"after dvc repro: {len(expected) - len(different)} of {len(expected)} outputs equal, {len(left)} left over")
    for path in different + left:
        print(f"  {path}")
    return total["kills"] - total["equal"] + len(different) + len(left)


if __name__ == "__main__":
    main()
