"""All benchmarks that say how fast this project is, one after the other, each in a process of its own.

make bench
make bench SIZE=gpu
"""

import argparse
import subprocess
import sys
import time

from benchmarks import stopwatch

NAMES = ("decoding", "forward", "head", "maps", "usual", "series", "changes", "memory", "gpu")


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"{', '.join(NAMES)}; default all"
    )
    parser.add_argument("--size", choices=stopwatch.SIZES, default="cpu", help="how much is measured (default cpu)")
    options = parser.parse_args()
    failed, start = [], time.perf_counter()
    for name in options.names or NAMES:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--size", options.size])
        failed += [name] if done.returncode else []
    print(
        f"{(time.perf_counter() - start) / 60:.0f} minutes in all"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
