"""`kidneyct predict`: the classes of images outside the study."""

import json
import sys

from kidneyct.commands import NOTICE
from kidneyct.pipeline import errors
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES

HELP = "classify images with the trained model of a finished run"
DESCRIPTION = """\
Classify images with the model that a finished run trained, or with one that was exported from such a run, and say how
much each image resembles those that the model was trained on."""
EXAMPLES = """\
examples:
  kidneyct predict scan.png folder/
      file          class     probability  likeness
      scan.png      Cyst           0.9312    0.9871
      folder/a.jpg  Normal         0.5127    0.2210  looks unlike the training images

  kidneyct predict scan.png --explain maps/
      the same, and maps/scan.png shows the image, its saliency map and its Grad-CAM

  kidneyct predict --model candidate.zip scan.png
      with the model in a file that kidneyct export wrote; no run is needed here

Likeness is the correlation of the image's 25x25 thumbnail with the most similar training image's. It tells another
kind of picture, not an unusual finding.

A result is printed as soon as it is known. The exit status is 0 if every file was read, 1 if some were not (they are
named), 2 if the command or the run's folder is at fault."""


def add_arguments(parser):
    parser.add_argument("files", nargs="+", metavar="FILE", help="an image, DICOM too, or a folder to search for such")
    parser.add_argument("--role", choices=ROLES, help=f"whose model ({ROLES[0]})")
    parser.add_argument("--workspace", metavar="DIR", help="folder of the finished run (here)")
    parser.add_argument("--model", metavar="FILE", help="a model that kidneyct export wrote, instead of a run's")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--explain", metavar="DIR", help="write DIR/NAME.png for each file: image, saliency, Grad-CAM")


def run(options):
    from tqdm import tqdm

    from kidneyct.predict import prediction

    for option, expected in {"workspace": "folder", "explain": "folder", "model": "file"}.items():
        if getattr(options, option) == "":
            raise InputError(f"--{option}: expected a {expected}, found an empty name")
    if "" in options.files:
        raise InputError("predict: expected names of files or folders, found an empty one; leave it out")
    files, amiss = prediction.find(options.files)
    pictures = prediction.pictures(files, options.explain) if options.explain else None
    model = _model(options)
    if model.thumbnails is None:
        print(f"{shown(options.model)}: holds no training thumbnails, so likeness can't be told", file=sys.stderr)
    results, problems = {}, []

    def tell(name, reason):
        problems.append((name, reason))
        with tqdm.external_write_mode():
            print(f"error: {shown(name)}: {shown(reason)}", file=sys.stderr)

    for name, reason in amiss:
        tell(name, reason)
    widths = (
        max([4, *(len(shown(str(file))) for file in files)]),
        max([8, *(len(shown(name)) for name in model.classes)]),
    )
    try:
        for file, outcome in _outcomes(model, files, pictures, tell) if files else ():
            if not isinstance(outcome, dict):
                tell(str(file), outcome.removeprefix(f"{file}: "))
                continue
            results[str(file)] = outcome
            if not options.json:
                with tqdm.external_write_mode():
                    print_row(str(file), outcome, widths, heading=len(results) == 1)
    finally:  # also of what is interrupted
        if options.json:
            document = {
                "predictions": [{"file": name} | result for name, result in results.items()],
                "errors": [{"file": name, "error": reason} for name, reason in problems],
            }
            print(json.dumps(document, indent=2))
    print(NOTICE, file=sys.stderr)
    return 1 if problems else 0


def _model(options):
    from kidneyct.predict import model_file, trained_model

    if options.model is None:
        role = options.role or ROLES[0]
        return trained_model.read(options.workspace or ".", [role])[role]
    for option in ("role", "workspace"):
        if getattr(options, option) is not None:
            raise InputError(f"--model: the file holds one model and needs no run; leave out --{option}")
    return model_file.read(options.model)[1]


def _outcomes(model, files, pictures, tell):
    """What `prediction.predict` yields, under a bar; `pictures` None draws none, `tell` hears of those that fail."""
    from tqdm import tqdm

    from kidneyct.predict import models, prediction

    network = models.network(model)
    draw = _drawing(network, model.classes, pictures, tell) if pictures else None
    outcomes = prediction.predict(model, network, files, draw)
    return tqdm(outcomes, total=len(files), desc="predict", unit="image", disable=None)


def _drawing(network, classes, pictures, tell):
    """A function (files, tensors, results) that draws each file's maps; `pictures` says where, file -> path."""
    import tempfile
    from pathlib import Path

    import numpy as np

    from kidneyct.maps import explainer, methods, selection
    from kidneyct.predict import prediction
    from kidneyct.report import panels

    explain = explainer.explainer(network, methods.PAPER, batch_size=prediction.BATCH_SIZE)

    def draw(files, tensors, results):
        codes = np.array([classes.index(result["class"]) for result in results])
        maps = explain(tensors, codes, seed=0)  # method -> (b, h', w')
        for number, (file, result) in enumerate(zip(files, results, strict=True)):
            name, label = shown(file.name), result["class"]
            own = {method: values[number] for method, values in maps.items()}
            example = selection.Example(name, tensors[number], None, label, result["probability"], own)
            try:
                with tempfile.TemporaryDirectory() as folder:
                    drawn = Path(folder) / "maps.png"
                    panels.explanations(drawn, [example], title=f"{name}: {label}")
                    prediction.keep(drawn, pictures[file])
            except OSError as error:
                tell(str(file), f"its maps are not written: {errors.reason(error)}")

    return draw


def shown(name):
    """A file's or a class's name as one line that every terminal can print."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def print_row(name, result, widths, heading):
    first, second = widths
    if heading:
        print(f"{'file':<{first}}  {'class':<{second}}  probability  likeness")
    remark = "  looks unlike the training images" if result["unlike"] else ""
    likeness = "unknown" if result["likeness"] is None else f"{result['likeness']:.4f}"
    cells = f"{shown(result['class']):<{second}}  {result['probability']:>11.4f}  {likeness:>8}{remark}"
    print(f"{shown(name):<{first}}  {cells}", flush=True)
