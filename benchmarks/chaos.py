"""Kill each stage at random moments, go on, and compare every byte with a run that nobody disturbed.

    make chaos                                      # 200 kills on small phantom data
    PYTHONPATH=src:tests python benchmarks/chaos.py --kills 20 --stages features train

Each stage runs as `python -m stages.<stage>` or under `dvc repro`, by turns, and gets SIGKILL, SIGTERM or SIGINT,
by turns, at a moment drawn uniformly over the time that it needs undisturbed. After three kills in a row it is left to
end. `resumed` counts the kills after which the stage said that it went on from where it was; one that comes before
there is anything to go on from leads to no such line. A kill while DVC itself writes dvc.lock leaves half of one: it is
then done what docs/reliability.md says, and counted. Exit status 1 where a byte differs.
"""

import argparse
import contextlib
import hashlib
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import tiny

from kidneyct import yaml12

KILLS = 200
IN_A_ROW = 3
PATIENCE = 300  # seconds that a process may take to end after its signal
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
OFTEN = {"features": 4, "train": 4, "measure": 4}  # times as many kills as another stage gets: these are resumed
SETTINGS = {  # long enough that not all kills fall into the start of Python
    "phantom": {"patients_per_class": 12, "slices_per_patient": 8},
    "preprocess": {"image_size": 64},
    "model": {"dense_units": 64},
    "train": {"epochs": 30, "patience": 30, "batch_size": 8, "learning_rate": [0.001, 0.003]},
    "explain": {"measured_images": 4},
}
HALF_A_LOCK = re.compile(r"dvc\.lock' (validation failed|is invalid)")
GOES_ON = re.compile(r": goes on at |was done before the interruption")


def stages():
    """The stages in their order, such as train@candidate: name -> its outputs."""
    outs = {}
    for name, entry in yaml12.read("dvc.yaml")["stages"].items():
        for item in entry.get("foreach", [None]):
            body = entry.get("do", entry)
            listed = [*body.get("outs", []), *body.get("metrics", [])]
            paths = [out if isinstance(out, str) else next(iter(out)) for out in listed]
            full = f"{name}@{item}" if item else name
            outs[full] = [path.replace("${item}", str(item)).replace("${key}", str(item)) for path in paths]
    return outs


def digests(paths):
    """SHA-256 of each file, or of a folder's files one after the other; None where there is none."""
    return {p: _digest(Path(p)) if Path(p).exists() else None for p in paths}


def _digest(path):
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def commands(stage):
    """The stage alone and under DVC, which removes its outputs first."""
    name, _, role = stage.partition("@")
    alone = [sys.executable, "-m", f"stages.{name}", *([role] if role else [])]
    return {"alone": alone, "dvc": ["dvc", "repro", "--force", "--no-run-cache", "--single-item", stage]}


def run(command, environment, after=None, number=None):
    """Run a command, and after some seconds send it and all that it started a signal: was it sent, and the output."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        sent = False
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
                sent = True
        try:
            process.wait(PATIENCE if sent else None)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise SystemExit(f"{' '.join(command)}: still running {PATIENCE} s after {number.name}") from None
        with contextlib.suppress(ProcessLookupError):  # what it may have left running
            os.killpg(process.pid, signal.SIGKILL)
        log.seek(0)
        output = log.read()
    if not sent and process.returncode and HALF_A_LOCK.search(output):
        Path("dvc.lock").unlink()
        run(["dvc", "repro", command[-1]], environment)  # the stages before it are all in DVC's cache
        print(f"{command[-1]}: dvc.lock was cut short", flush=True)
        return run(command, environment, after, number)
    if not sent and process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{output}")
    return sent, output


def shares(names, kills):
    """How many kills each stage gets, so that there are so many in all."""
    weights = {name: OFTEN.get(name.partition("@")[0], 1) for name in names}
    spread = [name for turn in range(max(weights.values())) for name in names if turn < weights[name]]
    return Counter(itertools.islice(itertools.cycle(spread), kills))


def torment(stage, outs, kills, seconds, environment, generator):
    """Kill a stage so many times: a table signal -> Counter of kills, resumed, equal."""
    expected, counts = digests(outs), {number: Counter() for number in SIGNALS}
    numbers, ways = itertools.cycle(SIGNALS), itertools.cycle(seconds)
    killed, done, tries = [], 0, 0
    while done < kills or killed:
        ending = len(killed) == IN_A_ROW or done == kills
        way = "dvc" if ending else next(ways)
        number = None if ending else next(numbers)
        after = None if ending else generator.uniform(0, seconds[way])
        sent, output = run(commands(stage)[way], environment, after, number)
        if killed and GOES_ON.search(output):
            counts[killed[-1]]["resumed"] += 1
        if sent:
            killed.append(number)
            counts[number]["kills"] += 1
            done += 1
        else:  # it came to its end, as it was to or because it was quicker than the signal
            equal = digests(outs) == expected
            for each in killed:
                counts[each]["equal"] += equal
            killed, tries = [], tries + 1
            if tries > 10 * (kills + 1):
                raise SystemExit(f"{stage}: too short to be killed")
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=KILLS, help="in all (default %(default)s)")
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="these alone, such as features or train@control")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (default %(default)s)")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
    generator = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        project = tiny.clone(Path(folder) / "clone")
        project.edit(SETTINGS)
        project.commit()
        os.chdir(project.folder)
        unequal = compare(options, project.environment, generator)
        os.chdir("/")
    sys.exit(1 if unequal else 0)


def compare(options, environment, generator):
    """Run everything undisturbed, torment every stage, let `dvc repro` end it; how many comparisons failed."""
    environment = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    outs = stages()
    wanted = options.stages or list(outs)
    names = [name for name in outs if name in wanted or name.partition("@")[0] in wanted]
    start = time.perf_counter()
    run(["dvc", "repro", *names], environment)
    print(f"undisturbed: {time.perf_counter() - start:.0f} s", flush=True)
    expected = digests([path for paths in outs.values() for path in paths if Path(path).exists()])
    line = "{:22} {:8} {:>6} {:>8} {:>6}"
    print(line.format("stage", "signal", "kills", "resumed", "equal"))
    failed = 0
    for stage, kills in shares(names, options.kills).items():
        seconds = {}
        for way, command in commands(stage).items():
            start = time.perf_counter()
            run(command, environment)
            seconds[way] = time.perf_counter() - start
        for number, count in torment(stage, outs[stage], kills, seconds, environment, generator).items():
            if count["kills"]:
                print(line.format(stage, number.name, count["kills"], count["resumed"], count["equal"]), flush=True)
            failed += count["kills"] - count["equal"]
    run(["dvc", "repro", *names], environment)
    different = [path for path, digest in digests(expected).items() if digest != expected[path]]
    left = sorted(str(path) for path in Path().rglob("*.partial"))
    left += [str(path) for path in Path(".unfinished").glob("*@*")]
    print(f"after dvc repro: {len(expected) - len(different)} of {len(expected)} outputs equal, {len(left)} left over")
    for path in different + left:
        print(f"  {path}")
    return failed + len(different) + len(left)


if __name__ == "__main__":
    main()
