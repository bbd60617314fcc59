"""Classify images with the trained model of a finished run.

Likeness is the correlation of the image's 25x25 thumbnail with the most similar training image's. It tells another
kind of picture, not an unusual finding. A result is printed as soon as it is known. The exit status is 0 if every file
was read, 1 if some were not (they are named), 2 if the command or the run's folder is at fault.

example:
  kidneyct predict scan.png folder/
      file          class     probability  likeness
      scan.png      Cyst           0.9312    0.9871
      folder/a.jpg  Normal         0.5127    0.2210  looks unlike the training images
"""

import json
import sys

from kidneyct import commands
from kidneyct.pipeline.errors import InputError, shown
from kidneyct.pipeline.roles import ROLES


def add_arguments(parser):
    image = "an image, DICOM too, or a folder to search for such, but for masks/"
    parser.add_argument("files", nargs="+", type=commands.name, metavar="FILE", help=image)
    parser.add_argument("--role", choices=ROLES, help=f"whose model ({ROLES[0]})")
    commands.add_source(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    explain = "write NAME.png for each file into a new folder: image, saliency, Grad-CAM"
    parser.add_argument("--explain", type=commands.name, metavar="DIR", help=explain)


def run(options):
    from tqdm import tqdm

    from kidneyct.predict import prediction, trained_model

    if options.model and options.role:
        raise InputError("--model: the file holds one model and needs no run; leave out --role")
    files, amiss = prediction.find(options.files)
    pictures = prediction.pictures(files, options.explain) if options.explain else None
    (model,) = commands.models(options, [options.role or ROLES[0]]).values()
    if model.thumbnails is None:
        print(f"{shown(options.model)}: holds no training thumbnails, so likeness can't be told", file=sys.stderr)
    results, problems = [], []

    def tell(name, reason):
        problems.append({"file": name, "error": reason})
        with tqdm.external_write_mode():
            print(f"error: {shown(name)}: {shown(reason)}", file=sys.stderr)

    for name, reason in amiss:
        tell(name, reason)
    classes = model.settings.classes
    widths = [max(len(shown(name)) for name in names) for names in (("file", *files), (" " * 8, *classes))]
    outcomes = ()
    if files:
        network = trained_model.network(model)
        if not options.json:
            print(f"{'file':<{widths[0]}}  {'class':<{widths[1]}}  probability  likeness")
        draw = _drawing(network, classes, pictures, tell) if pictures else None
        outcomes = prediction.predict(model, network, files, draw)
    for file, outcome in tqdm(outcomes, total=len(files), desc="predict", unit="image", disable=not files or None):
        if not isinstance(outcome, dict):
            tell(str(file), outcome.removeprefix(f"{file}: "))
            continue
        results.append({"file": str(file)} | outcome)
        if not options.json:
            with tqdm.external_write_mode():
                _print_row(results[-1], *widths)
    if options.json:
        print(json.dumps({"predictions": results, "errors": problems}, indent=2))
    print(commands.NOTICE, file=sys.stderr)
    return 1 if problems else 0


def _drawing(network, classes, pictures, tell):
    """A function (files, tensors, results) that draws each file's maps; `pictures` says where, file -> path."""
    import numpy as np

    from kidneyct.maps import explainer, methods, selection
    from kidneyct.predict import prediction
    from kidneyct.report import canvas, panels

    explain = explainer.explainer(network, methods.PAPER, batch_size=prediction.BATCH_SIZE)

    def draw(files, tensors, results):
        codes = np.array([classes.index(result["class"]) for result in results])
        maps = explain(tensors, codes, seed=0)  # method -> (b, h', w')
        for number, (file, result) in enumerate(zip(files, results, strict=True)):
            name, label = shown(file.name), result["class"]
            own = {method: values[number] for method, values in maps.items()}
            example = selection.Example(name, tensors[number], None, label, result["probability"], own)
            try:
                canvas.save(panels.explanations([example], title=f"{name}: {label}"), pictures[file])
            except InputError as error:
                tell(str(file), f"its maps are not written: {error}")

    return draw


def _print_row(result, first, second):
    """Print a result, the first two columns so wide."""
    remark = "  looks unlike the training images" if result["unlike"] else ""
    likeness = "unknown" if result["likeness"] is None else f"{result['likeness']:.4f}"
    cells = f"{shown(result['class']):<{second}}  {result['probability']:>11.4f}  {likeness:>8}{remark}"
    print(f"{shown(result['file']):<{first}}  {cells}", flush=True)
