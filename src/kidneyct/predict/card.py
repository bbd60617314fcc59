"""The model card that goes with an exported model: Markdown, for a reader who knows nothing of the run."""

import numpy as np

from kidneyct.files import index
from kidneyct.pipeline.roles import starts
from kidneyct.report import report, titles
from kidneyct.series import split_summary
from kidneyct.statistics import pooled, verdict

PACKAGES = ("kidneyct", "keras", "tensorflow", "numpy")


def card(run, with_thumbnails):
    """The card of a `workspace.Finished` as text; KeyError where its metrics are another version's."""
    sections = [
        _head(run),
        _use(run),
        _model(run),
        _data(run),
        _results(run),
        *([_external(run)] if run.external["images"] else []),
        _thumbnails(run, with_thumbnails),
        _licence(run),
        _parameters(run),
    ]
    return "\n\n".join(sections) + "\n"


def table(heading, rows):
    """A Markdown table; the first column is text, the others numbers."""
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in (heading, *rows)]
    cells.insert(1, [":--", *["--:"] * (len(heading) - 1)])
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _start(run):
    weights, blocks = run.parameters["weights"], run.parameters["model.transferred_blocks"]
    return starts(titles.actual(weights, blocks))[run.role], blocks


def _generated(run):
    return run.parameters["data.source"] == "phantom"


def _head(run):
    start, blocks = _start(run)
    seen = "generated, CT-like pictures" if _generated(run) else "kidney CT slices"
    return (
        f"# A classifier of {seen}: {titles.models(run.parameters['weights'], blocks)[run.role]}\n\n"
        "**Research software. Not a medical device, not for clinical use.**\n\n"
        f"A VGG-16 that tells {', '.join(run.opened.classes)} apart. Its convolutions started from "
        f"{titles.start(start, blocks)}. It is one of the two models of a run of kidneyct, which asks whether ImageNet "
        "pre-training transfers to kidney CT."
    )


def _use(run):
    lines = [
        "## Intended use",
        "To repeat and examine the run's results: what it takes new images for, how sure it is, what it looks at.",
        "## Not for",
        "Diagnosis, triage or any decision about a patient; pictures that are not like its training images. A class is "
        "always given, also to a picture that shows none of them. A probability is not a calibrated risk.",
    ]
    if _generated(run):
        lines.append("It was trained on generated pictures: of patients' images it knows nothing.")
    return "\n\n".join(lines)


def _model(run):
    p = run.parameters
    normalised = ", then each channel brought to mean 0 and variance 1" if p["model.normalize"] == "features" else ""
    averaged = "each channel's mean over all positions; " if p["model.head"] == "average" else ""
    return (
        "## Model\n\n"
        f"- Input: an image squeezed to {p['preprocess.image_size']} × {p['preprocess.image_size']} pixels, RGB; "
        f"scaling `{p['model.pixel_scaling']}`.\n"
        f"- VGG-16 without its top, {p['model.frozen_blocks']} of 5 blocks frozen while it was trained{normalised}; "
        f"{averaged}dense layers of {p['model.dense_units']:,} (ReLU) and {len(run.opened.classes)} (softmax) units.\n"
        f"- Output: a probability for each of {', '.join(run.opened.classes)}.\n"
        f"- `weights.safetensors`: every array, 32 bits. Made from the file with MD5 {run.opened.digest}."
    )


def _data(run):
    p, classes = run.parameters, run.opened.classes
    copy = report.flat({"data.source": p["data.source"]})["data.source"]  # its name, not the way to it
    named = {"kaggle": f"Kaggle, {p['data.kaggle']}", "phantom": "generated here"}.get(
        p["data.source"], f"a copy named {copy}"
    )
    rows = [
        [count["label"] or "all", f"{count['images']:,} ({count['series']:,})"]
        + [f"{count['parts'][part][0]:,} ({count['parts'][part][1]:,})" for part in index.PARTS]
        for count in split_summary.counts(run.table, run.series, classes)
    ]
    split = {
        "image": "By image: slices of one series may lie on both sides of the split.",
        "series": "By series: all slices of a series lie on one side.",
        "block": "By block: all slices of a series lie on one side, and series that follow each other lie together.",
    }[p["split.by"]]
    known = run.leakage["series"]["origin"] == "known"
    origin = "known from a table, which was not checked" if known else "inferred from the pictures"
    return (
        f"## Data and split\n\nSource: {named}. Images, and in brackets the series of slices that they are of:\n\n"
        f"{table(['class', 'all', *index.PARTS], rows)}\n\n"
        f"{split} Series are {origin}. Which images lay in which part: `data/split.csv` of the run. All images "
        f"together, SHA-256 over their own SHA-256 in order: `{split_summary.fingerprint(run.hashes)}`."
    )


def _results(run):
    classes, series = run.opened.classes, run.series[index.rows(run.table, "test")]
    codes = [index.codes(run.predictions[column], classes) for column in ("label", "predicted")]
    accuracy, macro_f1, *recalls = pooled.estimate([pooled.counts(*codes, series, len(classes))])
    measured = run.evaluation
    rows = [
        ["accuracy", _estimate(accuracy)],
        *([f"recall of {label}", _estimate(recall)] for label, recall in zip(classes, recalls, strict=True)),
        ["macro F1", _estimate(macro_f1, report.decimal)],
        ["balanced accuracy", report.percent(measured["balanced_accuracy"])],
        ["macro AUROC", report.decimal(measured["macro_auroc"])],
        ["expected calibration error", report.decimal(measured["expected_calibration_error"])],
        ["Brier score (0 to 2)", report.decimal(measured["brier_score"])],
    ]
    without = run.leakage["accuracy"]
    lost = []
    if measured["collapsed"]:
        lost += [f"**Collapsed: it predicts {run.predictions['predicted'].iloc[0]} for every test image.**"]
    if measured["untrained"]:
        share = report.percent(measured["training_accuracy"])
        lost += [f"**Untrained: it took {share} of its own training images for what they are.**"]
    return "\n\n".join(
        [
            "## Results",
            f"On {len(run.predictions):,} test images of {len(np.unique(series)):,} series, apart from training and "
            "from the choice of the epoch; 95 % intervals over series where there are any to be had:",
            table(["measure", "value"], rows),
            *lost,
            "Accuracy on the same images without a network:",
            _baselines(without),
            verdict.verdict(run.comparison, without),
            _leak(run),
            f"One data set, one split, one seed{'' if run.external['images'] else ', and no external test'}: another "
            "one of each gives other figures. The labels are the data set's own and were not checked.",
        ]
    )


def _baselines(accuracies):
    rows = [[title, report.percent(accuracies[name])] for name, title in titles.BASELINES.items()]
    return table(["baseline", "accuracy"], rows)


def _external(run):
    """What external.json says of this role; the numbers of the other stand in the card of its own file."""
    found, near = run.external, run.external["near_duplicates"]
    measured = found["models"][run.role]
    name = report.flat({"data.external": run.parameters["data.external"]})["data.external"]
    rows = [
        ["accuracy", _estimate(measured["accuracy"])],
        *(
            [f"recall of {label}", _estimate(recall) if recall else "no image"]
            for label, recall in measured["recall"].items()
        ),
        ["macro F1", _estimate(measured["macro_f1"], report.decimal)],
        ["expected calibration error", _estimate(measured["expected_calibration_error"], report.decimal)],
        ["Brier score (0 to 2)", _estimate(measured["brier_score"], report.decimal)],
    ]
    told = ["None of the images has a near-duplicate in the study."]
    if near["study"]:
        told = [
            f"**{near['study']:,} of the images have a near-duplicate in the study, {near['training']:,} in training: "
            "so far this is no external test.**"
        ]
        if apart := found["apart"]:
            accuracy = _estimate(apart["models"][run.role]["accuracy"])
            told += [f"Over the {apart['images']:,} images of series without one the accuracy is {accuracy}."]
    told += [f"{report.percent(found['likeness']['alike'])} of the images look like the training images."]
    return "\n\n".join(
        [
            "## External test",
            f"On {found['images']:,} images of {found['series']:,} series, {found['series_are']}, of a copy named "
            f"{name}, used for nothing else; 95 % intervals over series where there are any to be had:",
            table(["measure", "value"], rows),
            "Accuracy on the same images without a network:",
            _baselines(found["accuracy"]),
            " ".join(told),
        ]
    )


def _estimate(found, written=report.percent):
    value = written(found["value"])
    return f"{value} ({written(found['low'])} to {written(found['high'])})" if "low" in found else value


def _leak(run):
    crossing, of = run.leakage["series"]["crossing"], run.leakage["series"]["in_test"]
    share = report.percent(run.leakage["near_duplicates"]["share"])
    if not crossing:
        return f"No series crosses the split. {share} of the test images have a near-duplicate in training."
    return (
        f"**Leak: {crossing:,} of the {of:,} series in the test part have slices in training too, and {share} of the "
        "test images a near-duplicate there.** The figures say how well such slices are recognised again, not how well "
        "a new patient's are classified."
    )


def _thumbnails(run, with_thumbnails):
    count = f"{len(run.opened.thumbnails):,}"
    if not with_thumbnails:
        told = (
            f"Those of the {count} training images were left out, so `kidneyct predict` can't tell whether an image "
            "looks like them."
        )
        return f"## Training thumbnails\n\n{told}"
    whose = "generated ones" if _generated(run) else "pictures of patients: pass them on as you may pass on the images"
    return (
        f"## Training thumbnails\n\n`thumbnails.safetensors` holds those of the {count} training images, 25 × 25 "
        f"pixels, grey; {whose}. `kidneyct predict` compares an image with them and says where it looks unlike."
    )


def _licence(run):
    lines = ["The code of kidneyct is under Apache-2.0."]
    if _start(run)[0] == "imagenet":
        lines.append("ImageNet's weights are those of Oxford's VGG, CC BY 4.0 (Simonyan & Zisserman 2015).")
    if run.parameters["data.source"] == "kaggle":
        lines.append("The data set's licence is not confirmed: ask before you pass on what was trained on it.")
    elif not _generated(run):
        lines.append("Whether what was trained on the images may be passed on, their owner says.")
    return "## Licences\n\n" + " ".join(lines)


def _parameters(run):
    texts = report.flat({name: run.parameters[name] for name in sorted(run.parameters)})
    versions = [[name, version] for name, version in report.versions().items() if name in PACKAGES]
    return (
        f"## Parameters\n\n{table(['parameter', 'value'], texts.items())}\n\n"
        f"## Versions\n\nOf the packages that wrote this file:\n\n{table(['package', 'version'], versions)}"
    )
