"""One page of a run: the question, the answer, and what stands behind it, in a file that needs nothing else."""

import base64
import hashlib
import io
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from kidneyct.results import comparison as comparisons
from kidneyct.data import split
from kidneyct.page import figures

TEMPLATE = "report.html"
ROLES = ("candidate", "control")
WIDTH = 1400  # pixels: wider charts are made smaller
GALLERY_BYTES = 2_800_000  # of pictures, so that the page stays below 5 MB
FEW_SERIES = 40  # below it the interval over series is too narrow (see statistics.paired)
PACKAGES = ("kidneyct", "tensorflow", "keras", "numpy", "pandas", "scipy", "scikit-learn", "statsmodels", "dvc")
STARTS = {
    "imagenet": "ImageNet's weights",
    "imagenet-stats": "random weights with ImageNet's mean and variance by layer",
    "none": "random weights",
    "photographs": "filters found without labels in two photographs",
}
MEASURES = {
    "insertion": ("insertion", "higher is better"),
    "deletion": ("deletion", "lower is better"),
    "road": ("ROAD", "higher is better"),
    "gini": ("Gini index", "0 spread out, 1 in one pixel"),
    "entropy": ("entropy", "1 spread out, 0 in one pixel"),
    "body": ("inside the body", "share of its sum"),
    "pointing": ("pointing game", "higher is better"),
    "energy": ("on the lesion", "share of its sum"),
}
BETTER = {"insertion": 1, "deletion": -1, "road": 1, "pointing": 1, "energy": 1}  # the good direction


class Run(NamedTuple):
    """What a run left behind; pairs are in the order of ROLES."""

    parameters: dict  # nested, as in params.yaml
    table: pd.DataFrame  # image, label, split
    hashes: pd.Series  # of the image files
    series: np.ndarray  # (n,)
    leakage: dict
    comparison: dict
    evaluations: tuple  # evaluation.json twice
    explanations: tuple  # explanations.json twice
    histories: tuple  # history.csv twice
    predictions: tuple  # predictions.csv twice
    images: np.ndarray  # (n, h, w, 3) uint8
    maps: tuple  # an explain stage's arrays twice
    charts: dict  # name -> path of a PNG


def page(run):
    """The whole page as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": comparisons.signed, "decimal": decimal, "p": p_value}
    parameters = run.parameters
    classes = parameters["data"]["classes"]
    names = [
        f"{role} ({comparisons.start(start)})"
        for role, start in zip(ROLES, (parameters["weights"], "none"), strict=True)
    ]
    cards, left_out = gallery(run, classes)
    return environment.get_template(TEMPLATE).render(
        roles=ROLES,
        names=dict(zip(ROLES, names, strict=True)),
        classes=classes,
        question=question(parameters["weights"]),
        answer=comparisons.verdict(run.comparison, run.leakage["accuracy"]["nearest_thumbnail"]),
        caution=caution(parameters),
        protocol=protocol(parameters, run),
        counts=counts(run.table, run.series, classes),
        fingerprint=fingerprint(run.hashes),
        leakage=run.leakage,
        comparison=run.comparison,
        evaluations=dict(zip(ROLES, run.evaluations, strict=True)),
        confusions={role: confusion(table, classes) for role, table in zip(ROLES, run.predictions, strict=True)},
        explained={role: measured(table) for role, table in zip(ROLES, run.explanations, strict=True)},
        settings=run.explanations[0]["settings"],
        measured_images={role: table["images"] for role, table in zip(ROLES, run.explanations, strict=True)},
        charts={name: chart(path) for name, path in run.charts.items()}
        | {"curves": chart(curves(run.histories, names))},
        cards=cards,
        left_out=left_out,
        limits=limits(run),
        claim=claim(run),
        cards_of_models=model_cards(run),
        parameters=flat(parameters),
        versions=versions(),
    )


def percent(value, digits=1):
    return f"{100 * value:.{digits}f} %"


def decimal(value, digits=3):
    return f"{value:.{digits}f}"


def p_value(value):
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def question(weights):
    if weights == "none":
        return (
            "How far apart are two VGG-16 networks that both start from random weights? "
            "This run is the study's null comparison: nothing was transferred."
        )
    start = STARTS.get(weights, f"the weights of {comparisons.start(weights)}")
    return f"Does VGG-16 classify these kidney CT slices better when it starts from {start} than from random weights?"


def described(start):
    """What a start is, in words; a file by its name."""
    return STARTS.get(start, comparisons.start(start))


def caution(parameters):
    """What a hasty reader must know, or nothing."""
    if parameters["data"]["source"] == "phantom":
        return "The images are generated. Nothing on this page is about patients."
    return ""


def flat(section, prefix=""):
    """Dotted name -> text of each parameter; of a path only its last part."""
    found = {}
    for name, value in section.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            text = ", ".join(value) if isinstance(value, list) else str(value)
            found[prefix + name] = Path(text).name if prefix + name in ("weights", "data.source") else text
    return found


def protocol(parameters, run):
    """(what, how) pairs: the method in short."""
    data, division, model, train = (parameters[name] for name in ("data", "split", "model", "train"))
    source = {"kaggle": f" from Kaggle, {data['kaggle']}", "phantom": ", generated here (phantom)"}
    if division["folds"] > 1:
        shares = f"test part {division['fold']} (from 0) of {division['folds']} parts"
    else:
        shares = f"test {percent(division['test'], 0)}, drawn with seed {division['seed']}"
    by = {
        "image": "by image, as in the paper: slices of one series may lie on both sides",
        "series": "by series: all slices of a series on one side, in the classes' proportions",
    }
    frozen = model["frozen_blocks"]
    part = "" if train["fraction"] == 1 else f" (train.fraction {train['fraction']:g} of them)"
    epochs = " and ".join(str(len(history)) for history in run.histories)
    size = parameters["preprocess"]["image_size"]
    return {
        "Images": f"{len(run.table):,}{source.get(data['source'], ' from ' + Path(data['source']).name)}; "
        f"each squeezed to {size} × {size} pixels, RGB, {model['pixel_scaling']} scaling",
        "Series": f"{len(np.unique(run.series))}, inferred: thumbnails that correlate above "
        f"{parameters['series']['similarity']:g}, and identical files, belong together",
        "Split": f"{by[division['by']]}; {shares}; validation {percent(division['validation'], 0)}",
        "Networks": f"VGG-16 without its top, {frozen} of its 5 blocks frozen, then dense layers of "
        f"{model['dense_units']} (ReLU) and {len(data['classes'])} (softmax) units. Candidate and control differ "
        "by the base's initial weights alone",
        "Training": f"Adam, learning rate {train['learning_rate']:g}, batches of {train['batch_size']}, "
        f"at most {train['epochs']} epochs, stopped after {train['patience']} without a lower validation loss; "
        f"the best epoch's weights are kept{part}; seed {parameters['seed']}; {train['precision']}. "
        f"Epochs run: {epochs} (candidate and control)",
    }


def counts(table, series, classes):
    """Images and series of each class in each part: rows of text for a table."""
    rows = []
    for label in [*classes, None]:
        chosen = np.ones(len(table), bool) if label is None else (table["label"] == label).to_numpy()
        row = {"label": label or "all", "all": f"{chosen.sum():,}", "series": len(np.unique(series[chosen]))}
        parts = {part: chosen & (table["split"] == part).to_numpy() for part in split.PARTS}
        parts["without"] = chosen & ~table["split"].isin(split.PARTS).to_numpy()
        row |= {name: f"{part.sum():,} ({len(np.unique(series[part]))})" for name, part in parts.items()}
        rows.append(row)
    return rows


def fingerprint(hashes):
    """SHA-256 over the image files' own, sorted: two runs with the same one saw the same files."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def confusion(predictions, classes):
    """Rows of (class, cells); a cell is (count, share of the row)."""
    matrix = comparisons.confusion(predictions, classes)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return [
        (label, [(int(count), float(share)) for count, share in zip(*row, strict=True)])
        for label, row in zip(classes, zip(matrix, shares, strict=True), strict=True)
    ]


def measured(explanations):
    """A row for each map: title, cells by measure, and the randomisation's end.

    A cell has what a measure says and a verdict: "better", "worse" or "level" with chance by the interval of the
    gain over it, "" where there is no interval or no good direction.
    """
    rows = []
    for method, title in figures.TITLES.items():
        found = explanations[method]
        sizes = found.get("localisation", {})
        cells = {name: found[name] for name in ("insertion", "deletion", "road")} | found["focus"]
        cells |= {name: found["localisation"][name] for name in ("pointing", "energy") if "localisation" in found}
        dependence = found["randomisation"]
        steps = [value for value in dependence.values() if isinstance(value, dict)]
        rows.append(
            {
                "title": title,
                "sizes": {half: sizes[half] for half in ("smaller_lesions", "larger_lesions") if half in sizes},
                "cells": {name: cell | {"verdict": judged(name, cell)} for name, cell in cells.items()},
                "survives": steps[-1] if steps else None,  # None: the map is empty, nothing can survive
                "uninformative": dependence.get("uninformative", False),
                "images": dependence["images"],
            }
        )
    return {"rows": rows, "measures": {name: MEASURES[name] for name in rows[0]["cells"]}}


def judged(name, cell):
    direction = BETTER.get(name)
    if direction is None or "gain_low" not in cell:
        return ""
    if cell["gain_low"] <= 0 <= cell["gain_high"]:
        return "level"
    return "better" if cell["gain"] * direction > 0 else "worse"


def gallery(run, classes):
    """Cards of the test images explained, and how many are left out to keep the page small."""
    cards, left_out, room = [], 0, GALLERY_BYTES
    for role, maps in zip(ROLES, run.maps, strict=True):
        shown = set()
        for mistakes in (False, True):
            for row in figures.explained(run.table, classes, run.images, maps, mistakes):
                if (row.label, row.name) in shown:  # a mistake among the examples
                    continue
                shown.add((row.label, row.name))
                tiles = [("original", row.image)]
                tiles += [
                    (
                        figures.TITLES[method] + ("" if values.any() else " (no evidence)"),
                        figures.picture(row.image, values),
                    )
                    for method, values in row.maps.items()
                ]
                tiles = [(title, encoded(Image.fromarray(pixels), quality=75)) for title, pixels in tiles]
                size = sum(len(source) for _, source in tiles)
                if size > room:
                    left_out += 1
                    continue
                room -= size
                cards.append(
                    {
                        "role": role,
                        "name": row.name,
                        "label": row.label,
                        "predicted": row.predicted,
                        "probability": row.probability,
                        "right": row.label == row.predicted,
                        "tiles": tiles,
                    }
                )
    return cards, left_out


def encoded(picture, quality=None):
    """A picture as a data URI: WebP, lossless unless a quality is given."""
    buffer = io.BytesIO()
    options = {"lossless": True} if quality is None else {"quality": quality}
    picture.save(buffer, "WEBP", method=4, **options)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def chart(path):
    """A PNG, path or open file, as {source, width, height}; photographs among them are compressed with a loss."""
    picture = Image.open(path).convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    few = picture.getcolors(maxcolors=4096) is not None
    return {
        "source": encoded(picture, None if few else 82),
        "width": picture.width,
        "height": picture.height,
    }


def curves(histories, names):
    buffer = io.BytesIO()
    figures.learning_curves(buffer, histories, names)
    return buffer


def limits(run):
    """What this run cannot say, as sentences."""
    parameters, leakage = run.parameters, run.leakage
    crossing, of = leakage["series"]["crossing"], leakage["series"]["in_test"]
    found = []
    if parameters["data"]["source"] == "phantom":
        found.append("The images are generated: how the models do on patients' images is unknown.")
    if crossing:
        found.append(
            f"{crossing} of the {of} series in the test part have slices in training too. "
            "The accuracies say how well such slices are recognised again, not how well a new patient's are classified."
        )
    found.append(
        "Series are inferred from the pictures, because the data set names no patients. A patient with several "
        "scans can still lie on both sides."
    )
    series = run.comparison["series"]
    if series == 1:
        found.append("The test images come from one series: nothing can be said about others.")
    elif series < FEW_SERIES:
        found.append(
            f"The test images come from {series} series. With so few the interval over series is too narrow "
            "(it holds the truth in about 86 % of cases for 6 series, 91 % for 20). It says nothing of other splits."
        )
    found += [
        "One seed, one split: another seed or fold gives other figures. Run several before you conclude.",
        "One data set, one network, one size of picture. No external test.",
        "The labels are the data set's own and were not checked.",
        "Learning rate, patience and pixel scaling are one choice for both models; neither was tuned.",
        "A map that lies on the lesion does not prove that the model uses it as a radiologist would.",
    ]
    if parameters["weights"] in STARTS and parameters["weights"] != "imagenet":
        found.append("The candidate did not start from ImageNet's weights: this run does not answer for ImageNet.")
    elif parameters["weights"] not in STARTS:
        found.append("The candidate started from a file: the run answers for that file's weights, whatever they are.")
    return found


def claim(run):
    """(number, topic, what this run fills in) for the items of CLAIM 2024 that a pipeline knows of."""
    parameters, accuracy = run.parameters, run.comparison["accuracy"]
    method = protocol(parameters, run)
    level = {"image": "image; slices of one series may lie on both sides", "series": "series, as inferred"}
    dropped = int((run.table["split"] == split.DROPPED).sum())
    test = int((run.table["split"] == "test").sum())
    interval = (
        f", 95 % interval over series {comparisons.signed(accuracy['gap_low'])} to "
        f"{comparisons.signed(accuracy['gap_high'])}"
        if "gap_low" in accuracy
        else ""
    )
    wrong = [int((table["label"] != table["predicted"]).sum()) for table in run.predictions]
    return [
        (5, "prospective or retrospective", "Retrospective: images that exist already."),
        (6, "goal", "A comparison of two initialisations. No model is meant for use."),
        (7, "data sources", method["Images"] + "."),
        (9, "preprocessing", "Decoded to 8-bit RGB and squeezed to a square, bilinear over the source area."),
        (
            10,
            "subsets",
            f"All images{f' but {dropped} that are filed under two classes' if dropped else ''}; "
            f"training uses {percent(parameters['train']['fraction'], 0)} of its part.",
        ),
        (12, "missing data", "An unreadable image stops the run; files that are no images are left out and named."),
        (14, "reference standard", "The class folders of the data set."),
        (19, "assignment to partitions", method["Split"] + "."),
        (20, "level at which partitions are disjoint", level[parameters["split"]["by"]] + "."),
        (21, "sample size", f"{test:,} test images of {run.comparison['series']} series; no power calculation."),
        (22, "model", method["Networks"] + "."),
        (23, "software", "See versions, below."),
        (
            24,
            "initialisation",
            f"Candidate: {described(parameters['weights'])}; control: "
            "Keras's random initialisation. The dense layers start alike in both.",
        ),
        (25, "training", method["Training"] + "."),
        (26, "selection of the model", "The epoch of the lowest validation loss; nothing is chosen on test images."),
        (27, "ensembling", "None."),
        (28, "metrics", "Accuracy, balanced accuracy, macro F1 and AUROC, calibration error, Brier score."),
        (
            29,
            "significance and uncertainty",
            "Paired bootstrap over series, McNemar's exact test, Holm's correction over the classes.",
        ),
        (
            30,
            "robustness",
            "Not in a single run: see the grids over seeds, folds and training fractions in the README.",
        ),
        (31, "explainability", "Five kinds of maps, each measured against chance and against randomised weights."),
        (32, "internal testing", f"{test:,} images kept apart from training and selection."),
        (33, "external testing", "None."),
        (35, "included and excluded", f"{len(run.table) - dropped:,} images included, {dropped:,} excluded."),
        (
            37,
            "performance and uncertainty",
            f"Accuracy {percent(accuracy['candidate'])} against {percent(accuracy['control'])}, gap "
            f"{comparisons.signed(accuracy['gap'])} points{interval}.",
        ),
        (39, "failures", f"{wrong[0]} and {wrong[1]} test images are classified wrongly (candidate, control)."),
        (40, "limitations", "See what this run cannot say, below."),
        (42, "technical details", "dvc.yaml and params.yaml of the project; all parameters are listed below."),
        (43, "availability", "`dvc repro` with these parameters makes models, metrics and this page again."),
    ]


def model_cards(run):
    """What a model card says, for each role: (title, {what: how})."""
    parameters, cards = run.parameters, {}
    kind = "generated slices" if parameters["data"]["source"] == "phantom" else "kidney CT slices"
    trained = protocol(parameters, run)
    for role, evaluation, history, other in zip(ROLES, run.evaluations, run.histories, run.explanations, strict=True):
        start = parameters["weights"] if role == "candidate" else "none"
        kept = history["val_loss"].fillna(np.inf).to_numpy().argmin()
        flagged = [figures.TITLES[name] for name in figures.TITLES if other[name]["randomisation"].get("uninformative")]
        cards[role] = {
            "Model": f"{trained['Networks']}. Base's initial weights: {described(start)}",
            "Files": f"models/{role}/model.weights.h5, loaded by `kidneyct predict --role {role}`",
            "Made for": f"the comparison on this page, on {kind}; classes {', '.join(parameters['data']['classes'])}",
            "Not for": "clinical use, and any picture that is not like the training images",
            "Trained": f"{trained['Training'].split('. Epochs run')[0]}. Epoch {kept + 1} of {len(history)} kept, "
            f"validation accuracy {percent(history['val_accuracy'].iloc[kept])}",
            "Test": f"accuracy {percent(evaluation['accuracy'])}, balanced accuracy "
            f"{percent(evaluation['balanced_accuracy'])}, macro F1 {decimal(evaluation['macro_f1'])}, macro AUROC "
            f"{decimal(evaluation['macro_auroc'])}",
            "Weakest class": weakest(evaluation, parameters["data"]["classes"]),
            "Calibration": f"expected calibration error {decimal(evaluation['expected_calibration_error'])}, Brier "
            f"score {decimal(evaluation['brier_score'])} (0 to 2)",
            "Maps": f"uninformative under randomised weights: {', '.join(flagged)}"
            if flagged
            else "none that could be judged survives randomised weights",
        }
    return cards


def weakest(evaluation, classes):
    name = min(classes, key=lambda label: evaluation[label]["f1"])
    found = evaluation[name]
    return (
        f"{name}: recall {percent(found['recall'])}, precision {percent(found['precision'])}, "
        f"{found['support']} test images"
    )


def versions():
    return {name: metadata.version(name) for name in PACKAGES}
