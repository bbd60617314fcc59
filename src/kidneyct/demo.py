"""`make demo`: the whole study on generated data, in a few minutes on a laptop."""

import json
import subprocess
import sys
from pathlib import Path

from kidneyct import weights
from kidneyct.errors import InputError


def main():
    start = "imagenet"
    try:
        weights.imagenet_file()
    except InputError as error:
        start = "photographs"
        print(f"The demo starts from `photographs` instead of ImageNet. {error}", flush=True)
    command = ["dvc", "exp", "run", "-S", "data.source=phantom", "-S", f"weights={start}"]
    print(f"Running: {' '.join(command)}", flush=True)
    status = subprocess.run(command).returncode
    if status:
        sys.exit(status)
    print(summary(json.loads(Path("metrics/comparison.json").read_text()), start))


def summary(comparison, start):
    """What came out, in a few lines."""
    names = {"candidate": f"candidate ({start}):", "control": "control (none):", "gap": "gap:"}
    width = max(map(len, names.values()))
    lines = [
        f"  {name:<{width}}  {comparison['accuracy'][key]:+8.4f} {comparison['macro_f1'][key]:+8.4f}"
        for key, name in names.items()
    ]
    table = "\n".join(lines)
    return f"""
Phantom data (generated, not patients): test accuracy and macro F1
{table}
Pictures: plots/comparison.png  plots/explanations.png  plots/candidate/  plots/control/
params.yaml now says data.source: phantom and weights: {start}.
Next, what gap two random starts show:
  source .venv/bin/activate
  dvc exp run -S weights=none
  dvc exp show --only-changed
Research software, not for clinical use."""


if __name__ == "__main__":
    main()
