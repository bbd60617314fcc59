"""Run the whole study on generated images, in a few minutes.

The images are phantoms, the VGG-16 is the real one: less than five minutes on two cores. The candidate starts from
ImageNet's weights if they can be fetched, else from filters found in two photographs. It is a DVC experiment that
changes params.yaml here; docs/experiments.md says how to go back.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from kidneyct.commands import NOTICE
from kidneyct.pipeline.errors import InputError
from kidneyct.report import titles

SMALLER = (  # all of it in less than five minutes on two cores
    "phantom.patients_per_class=6",
    "series.similarity=0.99",  # phantoms are more alike than patients are
    "series.neighbours=0.9",
    "preprocess.image_size=96",
    "train.batch_size=16",
    "train.epochs=24",
    "explain.mistakes=1",
    "explain.measured_images=0",
)


def add_arguments(parser):
    """Takes none."""


def run(options):
    from kidneyct.backbone import imagenet

    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # for its stages' `python`
    if not Path("dvc.yaml").exists():
        raise InputError(f"dvc.yaml: expected in {Path.cwd()}, found none; run kidneyct demo in the project's folder")
    commit = subprocess.run(["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True)
    if commit.returncode:  # before anything is fetched
        raise InputError(
            f"{Path.cwd()}: expected a git repository with a commit; git says {' '.join(commit.stderr.split())}; "
            "without one run git init && git add . && git commit -m start, then this again"
        )
    start = "imagenet"
    try:
        imagenet.fetch()
    except InputError as error:
        print(f"The demo starts from `photographs` instead of ImageNet. {error}", flush=True)
        start = "photographs"
    changes = ("data.source=phantom", f"weights={start}", *SMALLER)
    arguments = ["exp", "run", *(word for change in changes for word in ("-S", change))]
    print(f"Running: dvc {' '.join(arguments)}", flush=True)
    with subprocess.Popen([sys.executable, "-m", "dvc", *arguments], env=os.environ | {"PATH": path}) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:  # DVC hears of that itself and is given time to tidy up
            process.wait()
            raise
        except BaseException:
            process.terminate()
            raise
    if status == 0:
        print(summary(json.loads(Path("metrics/comparison/comparison.json").read_text()), start))
    return status


def summary(comparison, start):
    """What came out, in a few lines; `comparison` is metrics/comparison/comparison.json."""
    names = {role: f"{title}:" for role, title in titles.models(start).items()} | {"gap": "gap:"}
    width = max(map(len, names.values()))
    measures = comparison["accuracy"], comparison["macro_f1"], comparison["probe"]["macro_auroc"]
    table = "\n".join(
        f"  {name:<{width}}  " + " ".join(f"{measure[key]:{'+' if key == 'gap' else ''}8.4f}" for measure in measures)
        for key, name in names.items()
    )
    return f"""
Phantom data (generated, not patients): test accuracy, macro F1, and macro AUROC of series by a linear probe
{table}
All of it on one page: plots/report.html
Pictures: plots/pictures/
params.yaml now says data.source: phantom, weights: {start}, and smaller settings.
Next, what gap two random starts show beside this run:
  source .venv/bin/activate
  git add params.yaml dvc.lock metrics/headline.json && git commit -m Demo
  dvc exp run -n null -S weights=none
  dvc metrics diff HEAD null
{NOTICE}"""
