"""The command `kidneyct`."""

import argparse
import json
import sys

import numpy as np
from tqdm import tqdm

from kidneyct.runs import prediction
from kidneyct.errors import InputError

NOTICE = "Research software, not for clinical use."


def main(arguments=None):
    """Run the command; returns the exit status: 0, 1 where a file failed, 2 for a mistake in the arguments."""
    parser = argparse.ArgumentParser(prog="kidneyct", description=f"Kidney CT slices and a trained model. {NOTICE}")
    commands = parser.add_subparsers(required=True, metavar="command")
    one = commands.add_parser("predict", help="classify images with a model of a finished run", description=NOTICE)
    one.add_argument(
        "files", nargs="+", metavar="FILE", help="an image, or a folder to search for .jpg, .jpeg and .png"
    )
    one.add_argument("--role", choices=("candidate", "control"), default="candidate", help="whose model (candidate)")
    one.add_argument("--workspace", default=".", metavar="DIR", help="folder of the finished run (here)")
    one.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    one.add_argument("--explain", metavar="DIR", help="write NAME.png for each file: original, saliency map, Grad-CAM")
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(options):
    files, problems = prediction.find(options.files)
    pictures = prediction.pictures(files, options.explain) if options.explain else {}
    workspace = prediction.open_workspace(options.workspace, options.role)
    results = {}
    if files:
        network = prediction.load(workspace)
        drawing = None
        if options.explain:
            drawing = Drawing(network, workspace.classes, pictures)
        outcomes = prediction.predict(workspace, network, files, drawing)
        for file, outcome in tqdm(outcomes, total=len(files), desc="predict", unit="image", disable=None):
            if isinstance(outcome, dict):
                results[str(file)] = outcome
            else:
                problems.append((str(file), outcome.removeprefix(f"{file}: ")))
    print_json(results, problems) if options.json else print_table(results)
    for name, reason in problems:
        print(f"error: {name}: {reason}", file=sys.stderr)
    print(NOTICE, file=sys.stderr)
    return 1 if problems else 0


def print_table(results):
    width = max([len("file"), *map(len, results)])
    if results:
        print(f"{'file':<{width}}  {'class':<8}  probability  likeness")
    for name, one in results.items():
        remark = "  looks unlike the training images" if one["unlike"] else ""
        print(f"{name:<{width}}  {one['class']:<8}  {one['probability']:>11.4f}  {one['likeness']:>8.4f}{remark}")


def print_json(results, problems):
    document = {
        "predictions": [{"file": name} | one for name, one in results.items()],
        "errors": [{"file": name, "error": reason} for name, reason in problems],
    }
    print(json.dumps(document, indent=2))


class Drawing:
    """Writes a picture a file; called with each batch."""

    def __init__(self, network, classes, pictures):
        self.network, self.classes, self.pictures = network, classes, pictures

    def __call__(self, files, tensors, results):
        from kidneyct.maps import gradcam, saliency
        from kidneyct.page import figures

        codes = np.array([self.classes.index(one["class"]) for one in results])
        fine = saliency.saliency(self.network, tensors, codes, len(tensors))
        coarse = gradcam.gradcam(self.network, tensors, codes, len(tensors))
        for number, (file, one) in enumerate(zip(files, results, strict=True)):
            maps = {"saliency": fine[number], "gradcam": coarse[number]}
            row = figures.Explained(file.name, tensors[number], None, one["class"], one["probability"], maps)
            figures.explanations(self.pictures[file], [row], title=f"{file.name}: {one['class']}")


if __name__ == "__main__":
    sys.exit(main())
