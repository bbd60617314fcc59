"""What it takes to start: the imports of TensorFlow and of each stage's script, which has it where it computes with it.

python -m benchmarks.start
"""

import subprocess
import sys

from benchmarks import stopwatch
from kidneyct.pipeline import yaml12

SIZES = {"cpu": {"repetitions": 3}, "tiny": {"repetitions": 1}}
IMPORTS = ("pass", "import numpy, pandas", "import tensorflow", "import kidneyct.backbone")
ASK = "import sys; import stages.{}; print('tensorflow' in sys.modules)"


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip()


def main():
    options = stopwatch.options(__doc__, SIZES)
    seconds = stopwatch.interleaved({code: lambda code=code: run(code) for code in IMPORTS}, options.repetitions)
    stages = list(yaml12.read("dvc.yaml")["stages"])
    loads = {}

    def ask(stage):
        loads[stage] = run(ASK.format(stage)) == "True"

    asked = stopwatch.interleaved({stage: lambda stage=stage: ask(stage) for stage in stages}, 1, warm=False)
    rows = [{"what": f"python -c '{code}'", "seconds": stopwatch.spread(seconds[code])} for code in IMPORTS]
    for loading, what in ((True, "the script of a stage that computes"), (False, "the script of any other stage")):
        these = [stage for stage in stages if loads[stage] == loading]
        rows.append({"what": what, "seconds": stopwatch.spread(each for stage in these for each in asked[stage])})
    heavy = ", ".join(stage for stage in stages if loads[stage])
    stopwatch.publish("start", options.size, rows, [f"TensorFlow is imported by {heavy}, and by no other stage"])


if __name__ == "__main__":
    main()
