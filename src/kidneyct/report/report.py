"""One page of a run: the question, the answer, and what stands behind it, in a file that needs nothing else.

What it says stands in templates/; here are the names that they use.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np
import pandas as pd

from kidneyct.files import index, predictions, record, tables
from kidneyct.maps import selection
from kidneyct.pipeline import lock, roles
from kidneyct.report import charts, gallery, panels, titles
from kidneyct.statistics import bootstrap, verdict

TEMPLATES = Path(__file__).parent / "templates"
PATHS = ("weights", "data.source", "data.labels", "data.external", "series.table")
PACKAGES = ("kidneyct", "tensorflow", "keras", "numpy", "pandas", "scipy", "scikit-learn", "statsmodels", "dvc")


class Run(NamedTuple):
    """What a run left behind; "by role" is a dictionary, role -> what was read."""

    parameters: dict  # nested, as in params.yaml
    table: pd.DataFrame  # image, label, split
    hashes: pd.Series  # of the image files
    series: np.ndarray  # (n,)
    images: np.ndarray  # (n, h, w, 3) uint8
    leakage: dict
    pairs: pd.DataFrame  # pairs.csv
    similarity: pd.DataFrame  # similarity.csv
    comparison: dict
    external: dict  # external.json; {"images": 0} without an external test set
    external_metrics: pd.DataFrame  # metrics/comparison/external.csv
    evaluations: dict  # evaluation.json by role
    probes: dict  # probe.json by role
    measured: dict  # maps.json by role
    histories: dict  # history.csv by role
    rates: dict  # rates.csv by role
    reliability: dict  # reliability.csv by role
    predictions: dict  # predictions.csv by role
    external_predictions: dict  # data/external/ROLE.csv by role
    maps: dict  # an explain stage's arrays by role
    cascades: dict  # randomisation.csv by role


def figures(run):
    """Yield the name and the figure of each picture of a run; which of them are on the page, the templates say."""
    parameters, classes = run.parameters, run.parameters["data"]["classes"]
    names = titles.models(parameters["weights"], parameters["model"]["transferred_blocks"])
    yield "leakage", panels.leakage_pairs(run.pairs, run.table, run.images, run.series)
    yield "similarity", charts.similarity_curve(run.similarity, parameters["series"]["similarity"])
    right, calibrated, marks = [], [], {}
    for role, found in run.evaluations.items():
        mark = marks[role] = "".join(f", {word}" for word in ("collapsed", "untrained") if found[word])
        accuracy = f"accuracy {found['accuracy']:.2%} of {len(run.predictions[role])} test images"
        right.append(f"{names[role]}\n{accuracy}{mark}")
        calibrated.append(f"{names[role]}\nexpected calibration error {found['expected_calibration_error']:.3f}{mark}")
    confusions = [predictions.confusion(table, classes) for table in run.predictions.values()]
    yield "comparison", charts.confusion_pair(confusions, classes, right)
    yield "calibration", charts.reliability_pair(run.reliability.values(), calibrated)
    rates = [f"{names[role]}, learning rate {tables.kept(run.rates[role])['learning_rate']:g}" for role in names]
    yield "curves", charts.learning_curves(run.histories.values(), rates)
    if run.external["images"]:
        yield "external", charts.external(run.external_metrics, names)
    examples = {role: explained(run, role) for role in names}
    pairs = list(zip(*examples.values(), strict=True))
    yield "explanations", panels.explanation_pairs(pairs, [names[role] + marks[role] for role in names])
    for role in names:
        model = f"{role}{marks[role]}"
        yield f"explanations_{role}", panels.explanations(examples[role], f"Model of the {model}")
        if mistakes := explained(run, role, mistakes=True):
            yield f"mistakes_{role}", panels.explanations(mistakes, f"Most confident mistakes of the {model}")
        if len(run.cascades[role]):
            above = run.measured[role]["settings"]["uninformative_above"]
            yield f"randomisation_{role}", charts.randomization_chart(run.cascades[role], f"Maps of the {role}", above)


def explained(run, role, mistakes=False):
    """The `Example`s that a role's explain stage kept, or its mistakes."""
    return selection.explained(run.table, run.predictions[role], run.images, run.maps[role], mistakes=mistakes)


def page(run, folder):
    """The whole page as text; its `pictures` lie in a folder, as PNGs."""
    weights, blocks = run.parameters["weights"], run.parameters["model"]["transferred_blocks"]
    start, classes = titles.actual(weights, blocks), run.parameters["data"]["classes"]
    rates = np.atleast_1d(run.parameters["train"]["learning_rate"]).tolist()
    tried = {role: trials(rates, table) for role, table in run.rates.items()}
    external = run.external_predictions if run.external["images"] else {}
    shown = {role: [each for kind in (False, True) for each in explained(run, role, kind)] for role in roles.ROLES}
    cards, left_out = gallery.cards(shown)
    names = {
        "roles": roles.ROLES,
        "names": titles.models(weights, blocks),
        "start": start,
        "starts": {role: titles.start(name, blocks) for role, name in roles.starts(start).items()},
        "known_starts": roles.STARTS,
        "methods": titles.MAPS,
        "baselines": titles.BASELINES,
        "classes": classes,
        "answer": verdict.verdict(run.comparison, run.leakage["accuracy"]),
        "features": verdict.features(run.comparison["probe"]["macro_auroc"]) if "probe" in run.comparison else "",
        "counts": counts(run.table, run.series, classes),
        "dropped": len(index.rows(run.table, index.DROPPED)),
        "fingerprint": fingerprint(run.hashes),
        "confusions": {role: predictions.confusion(table, classes) for role, table in run.predictions.items()},
        "external_confusions": {role: predictions.confusion(table, classes) for role, table in external.items()},
        "wrong": {role: (table["label"] != table["predicted"]).sum() for role, table in run.predictions.items()},
        "marks": {role: titles.lost(each["collapsed"], each["untrained"]) for role, each in run.evaluations.items()},
        "epochs": {role: history.to_dict("records") for role, history in run.histories.items()},
        "learning_rates": rates,
        "trials": tried,
        "remarks": [remark for role in roles.ROLES for remark in remarks(role, tried[role])],
        "chart": lambda name: gallery.chart(f"{folder}/{name}.png"),
        "cards": cards,
        "left_out": left_out,
        "flat_parameters": flat(run.parameters),
        "versions": record.versions(PACKAGES),
    }
    template = environment(TEMPLATES, autoescape=True, lstrip_blocks=True).get_template("report.html")
    return template.render(run._asdict() | names)


def counts(table, series, classes):
    """Images and series of each class, and of all, in each part: a dictionary for each of `classes` and None for all.

    `table` is the split, `series` (n,) numbers. Keys: label, images, series, and under "parts" a pair (images, series)
    for train, validation, test and, of what no part uses, "without".
    """
    found, in_part = [], table["split"].where(table["split"].isin(index.PARTS), "without")
    for label in [*classes, None]:
        chosen = np.ones(len(table), bool) if label is None else (table["label"] == label).to_numpy()
        parts = {name: series[chosen & (in_part == name)] for name in (*index.PARTS, "without")}
        parts = {name: (len(own), len(np.unique(own))) for name, own in parts.items()}
        own = series[chosen]
        found.append({"label": label, "images": len(own), "series": len(np.unique(own)), "parts": parts})
    return found


def fingerprint(hashes):
    """SHA-256 over the image files' own, sorted: two runs with the same one saw the same files."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def remarks(role, tried):
    """Sentences of a role whose learning rate, of `trials`, leaves something to be tried."""
    (kept,) = (trial for trial in tried if trial["kept"])
    if not kept["stopped"]:
        yield (
            f"The {role}'s training did not stop early (lowest validation loss at epoch {kept['kept_epoch']} of "
            f"{kept['epochs']}): with more epochs the model could still have improved."
        )
    if beyond := tables.BEYOND.get(kept["edge"]):
        yield f"The {role} kept the {kept['edge']} of the learning rates tried: a {beyond} one may be better."


def environment(*folders, **options):
    """Jinja's environment for the templates in some folders, with the filters that write numbers for readers."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders), undefined=jinja2.StrictUndefined, trim_blocks=True, **options
    )
    environment.globals |= {"zip": zip, "lost": titles.lost, "percent": percent, "decimal": decimal}
    environment.globals |= {"beyond": tables.BEYOND, "penalty": tables.PENALTY}
    environment.globals |= {"few": bootstrap.FEW, "coverage": bootstrap.coverage()}
    environment.filters |= {
        "percent": percent,
        "points": verdict.signed,
        "decimal": decimal,
        "p": lambda value: "< 0.001" if value < 0.001 else decimal(value),
        "thousands": "{:,}".format,
        "rate": _rate,
        "file": lambda path: Path(path).name,
        "shares": predictions.shares,
    }
    return environment


def trials(asked, tried):
    """rates.csv as a record for each learning rate asked for; the rate alone where the loss was not a number."""
    records = {_rate(record["learning_rate"]): record for record in tried.to_dict("records")}
    return [records.get(_rate(rate), {"learning_rate": rate, "kept": 0}) for rate in asked]


def _rate(value):
    return f"{value:.6g}"  # as the file has it


def percent(value, digits=1):
    return f"{100 * value:.{digits}f} %"


def decimal(value, digits=3):
    return f"{value:z.{digits}f}"  # never -0


def flat(section):
    """Dotted name -> text of each parameter; of a path only its last part."""
    texts = {}
    for name, value in lock.dotted(section).items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        texts[name] = Path(text).name if name in PATHS else text
    return texts
