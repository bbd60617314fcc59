"""`make demo`: the whole study on generated data, in a few minutes on a laptop."""

import json
import subprocess
import sys
from pathlib import Path

from kidneyct.network import weights
from kidneyct.errors import InputError

SMALLER = ("explain.mistakes=1", "explain.measured_images=1")  # maps take most of a run's time


def main():
    start = "imagenet"
    try:
        weights.imagenet_file()
    except InputError as error:
        start = "photographs"
        print(f"The demo starts from `photographs` instead of ImageNet. {error}", flush=True)
    changes = ("data.source=phantom", f"weights={start}", *SMALLER)
    command = ["dvc", "exp", "run", *(word for change in changes for word in ("-S", change))]
    print(f"Running: {' '.join(command)}", flush=True)
    status = subprocess.run(command).returncode
    if status:
        sys.exit(status)
    print(summary(json.loads(Path("metrics/comparison.json").read_text()), start))


def summary(comparison, start):
    """What came out, in a few lines."""
    names = {"candidate": f"candidate ({start}):", "control": "control (none):", "gap": "gap:"}
    width = max(map(len, names.values()))
    lines = []
    for key, name in names.items():
        shown = "+8.4f" if key == "gap" else "8.4f"
        lines.append(f"  {name:<{width}}  {comparison['accuracy'][key]:{shown}} {comparison['macro_f1'][key]:{shown}}")
    table = "\n".join(lines)
    return f"""
Phantom data (generated, not patients): test accuracy and macro F1
{table}
All of it on one page: plots/report.html
Pictures: plots/comparison.png  plots/explanations.png  plots/candidate/  plots/control/
params.yaml now says data.source: phantom, weights: {start} and fewer pictures to explain.
Next, what gap two random starts show:
  source .venv/bin/activate
  dvc exp run -S weights=none
  dvc exp show --only-changed
Research software, not for clinical use."""


if __name__ == "__main__":
    main()
