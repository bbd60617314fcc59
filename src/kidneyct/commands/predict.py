"""`kidneyct predict`: the classes of images outside the study."""

import json
import sys

from kidneyct.commands import NOTICE
from kidneyct.roles import ROLES

HELP = "classify images with the trained model of a finished run"
DESCRIPTION = """\
Classify images with the model that a finished run trained, and say how much each image resembles those that the model
was trained on."""
EXAMPLES = """\
examples:
  kidneyct predict scan.png folder/
      file          class     probability  likeness
      scan.png      Cyst           0.9312    0.9871
      folder/a.jpg  Normal         0.5127    0.2210  looks unlike the training images

  kidneyct predict scan.png --explain maps/
      the same, and maps/scan.png shows the image, its saliency map and its Grad-CAM

Likeness is the correlation of the image's 25x25 thumbnail with the most similar training image's. It tells another
kind of picture, not an unusual finding.

The exit status is 0 if every file was read, 1 if some were not (they are named), 2 if the command or the run's folder
is at fault."""


def add_arguments(parser):
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="an image, or a folder to search for .jpg, .jpeg and .png"
    )
    parser.add_argument("--role", choices=ROLES, default=ROLES[0], help=f"whose model ({ROLES[0]})")
    parser.add_argument("--workspace", default=".", metavar="DIR", help="folder of the finished run (here)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--explain", metavar="DIR", help="write DIR/NAME.png for each file: image, saliency, Grad-CAM")


def run(options):
    from kidneyct.runs import prediction, workspace

    files, problems = prediction.find(options.files)
    pictures = prediction.pictures(files, options.explain) if options.explain else None
    opened = workspace.read(options.workspace, options.role)
    results, unreadable = _predict(opened, files, pictures) if files else ({}, [])
    problems += unreadable
    print_json(results, problems) if options.json else print_table(results)
    for name, reason in problems:
        print(f"error: {name}: {reason}", file=sys.stderr)
    print(NOTICE, file=sys.stderr)
    return 1 if problems else 0


def _predict(opened, files, pictures):
    """Results by file name, and (name, reason) of the files that can't be read; `pictures` None draws none."""
    from tqdm import tqdm

    from kidneyct.network import classifier, devices
    from kidneyct.runs import prediction

    devices.prepare(seed=0)
    network = classifier.trained(
        opened.weights,
        opened.image_size,
        opened.dense_units,
        len(opened.classes),
        opened.pixel_scaling,
        opened.normalize,
    )
    draw = _drawing(network, opened.classes, pictures) if pictures else None
    results, unreadable = {}, []
    outcomes = prediction.predict(opened, network, files, draw)
    for file, outcome in tqdm(outcomes, total=len(files), desc="predict", unit="image", disable=None):
        if isinstance(outcome, dict):
            results[str(file)] = outcome
        else:
            unreadable.append((str(file), outcome.removeprefix(f"{file}: ")))
    return results, unreadable


def _drawing(network, classes, pictures):
    """A function (files, tensors, results) that draws each file's maps; `pictures` says where, file -> path."""
    import numpy as np

    from kidneyct.data import examples
    from kidneyct.maps import explainer, methods
    from kidneyct.page import panels
    from kidneyct.runs import prediction

    explain = explainer.explainer(network, methods.PAPER, batch_size=prediction.BATCH_SIZE)

    def draw(files, tensors, results):
        codes = np.array([classes.index(result["class"]) for result in results])
        maps = explain(tensors, codes, seed=0)  # method -> (b, h', w')
        for number, (file, result) in enumerate(zip(files, results, strict=True)):
            label, own = result["class"], {method: values[number] for method, values in maps.items()}
            example = examples.Example(file.name, tensors[number], None, label, result["probability"], own)
            panels.explanations(pictures[file], [example], title=f"{file.name}: {label}")

    return draw


def print_table(results):
    width = max([len("file"), *map(len, results)])
    if results:
        print(f"{'file':<{width}}  {'class':<8}  probability  likeness")
    for name, result in results.items():
        remark = "  looks unlike the training images" if result["unlike"] else ""
        print(
            f"{name:<{width}}  {result['class']:<8}  {result['probability']:>11.4f}  {result['likeness']:>8.4f}{remark}"
        )


def print_json(results, problems):
    document = {
        "predictions": [{"file": name} | result for name, result in results.items()],
        "errors": [{"file": name, "error": reason} for name, reason in problems],
    }
    print(json.dumps(document, indent=2))
