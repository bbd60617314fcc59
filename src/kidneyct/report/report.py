"""One page of a run: the question, the answer, and what stands behind it, in a file that needs nothing else.

What it says stands in templates/; here are the names that they use.
"""

import contextlib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np
import pandas as pd

from kidneyct.files import index, tables
from kidneyct.maps import selection
from kidneyct.pipeline import roles
from kidneyct.report import gallery, titles
from kidneyct.series import split_summary
from kidneyct.statistics import confusion, verdict

TEMPLATES = Path(__file__).parent / "templates"
PATHS = ("weights", "data.source", "data.labels", "data.external", "series.table")
LISTED = 100  # near-duplicates that the page names
PACKAGES = ("kidneyct", "tensorflow", "keras", "numpy", "pandas", "scipy", "scikit-learn", "statsmodels", "dvc")


class Run(NamedTuple):
    """What a run left behind; "by role" is a dictionary, role -> what was read."""

    parameters: dict  # nested, as in params.yaml
    table: pd.DataFrame  # image, label, split
    hashes: pd.Series  # of the image files
    series: np.ndarray  # (n,)
    images: np.ndarray  # (n, h, w, 3) uint8
    leakage: dict
    comparison: dict
    external: dict  # external.json; {"images": 0} without an external test set
    evaluations: dict  # evaluation.json by role
    probes: dict  # probe.json by role
    measured: dict  # maps.json by role
    histories: dict  # history.csv by role
    rates: dict  # rates.csv by role
    predictions: dict  # predictions.csv by role
    suspects: pd.DataFrame  # suspects.csv
    doubt: dict  # suspects.json
    external_images: pd.DataFrame  # data/external/images.csv
    external_predictions: dict  # external/predictions.csv by role
    maps: dict  # an explain stage's arrays by role
    charts: dict  # name -> path of a PNG


def page(run):
    """The whole page as text."""
    weights, blocks = run.parameters["weights"], run.parameters["model"]["transferred_blocks"]
    start, classes = titles.actual(weights, blocks), run.parameters["data"]["classes"]
    rates = run.parameters["train"]["learning_rate"]
    rates = rates if isinstance(rates, list) else [rates]
    confusions = {role: confusion.confusion(table, classes) for role, table in run.predictions.items()}
    cards, left_out = gallery.cards({role: _explained(run, role) for role in roles.ROLES})
    template = _environment().get_template("report.html")
    return template.render(
        roles=roles.ROLES,
        names=titles.models(weights, blocks),
        start=start,
        starts={role: titles.start(name, blocks) for role, name in roles.starts(start).items()},
        known_starts=roles.STARTS,
        methods=titles.MAPS,
        classes=classes,
        parameters=run.parameters,
        answer=verdict.verdict(run.comparison, run.leakage["accuracy"]),
        counts=split_summary.counts(run.table, run.series, classes),
        dropped=len(index.rows(run.table, index.DROPPED)),
        fingerprint=split_summary.fingerprint(run.hashes),
        leakage=run.leakage,
        baselines=titles.BASELINES,
        comparison=run.comparison,
        external=run.external,
        external_confusions={
            role: _confusion(confusion.confusion(table, classes))
            for role, table in run.external_predictions.items()
            if run.external["images"]
        },
        external_duplicates=duplicates(run.external_images) if run.external["images"] else None,
        evaluations=run.evaluations,
        probes=run.probes,
        features=verdict.features(run.comparison["probe"]["macro_auroc"]) if "probe" in run.comparison else "",
        collapsed={
            role: table["predicted"].iloc[0]
            for role, table in run.predictions.items()
            if run.evaluations[role]["collapsed"]
        },
        marks={role: titles.lost(values["collapsed"], values["untrained"]) for role, values in run.evaluations.items()},
        confusions={role: _confusion(counts) for role, counts in confusions.items()},
        wrong={role: int(counts.sum() - counts.trace()) for role, counts in confusions.items()},
        suspects=run.suspects.to_dict("records"),
        doubt=run.doubt,
        measured=run.measured,
        epochs={role: history.to_dict("records") for role, history in run.histories.items()},
        learning_rates=rates,
        trials={role: trials(rates, tried) for role, tried in run.rates.items()},
        charts={name: gallery.chart(path) for name, path in run.charts.items()},
        cards=cards,
        left_out=left_out,
        flat_parameters=flat(run.parameters),
        versions=versions(),
    )


def duplicates(found):
    """Near-duplicates of the study's images among the external ones: how many, and the most alike of them as records.

    Those of training images come first.
    """
    near = found[found["near_duplicate"] != "none"]
    order = near.assign(other=near["near_duplicate"] != "training", apart=-near["correlation"])
    shown = near.loc[order.sort_values(["other", "apart", "image"]).index].head(LISTED)
    return {"count": len(near), "shown": shown.to_dict("records")}


def _confusion(counts):
    return {"counts": counts.tolist(), "shares": confusion.shares(counts).tolist()}


def _explained(run, role):
    """The examples, then the role's mistakes."""
    kept = run.table, run.predictions[role], run.images, run.maps[role]
    return selection.explained(*kept) + selection.explained(*kept, mistakes=True)


def _environment():
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"zip": zip, "beyond": tables.BEYOND, "lost": titles.lost}
    environment.filters |= {
        "percent": percent,
        "points": verdict.signed,
        "decimal": decimal,
        "p": p_value,
        "thousands": "{:,}".format,
        "rate": _rate,
        "file": lambda path: Path(path).name,
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


def p_value(value):
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def flat(section, prefix=""):
    """Dotted name -> text of each parameter; of a path only its last part."""
    texts = {}
    for name, value in section.items():
        if isinstance(value, dict):
            texts |= flat(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            texts[prefix + name] = Path(text).name if prefix + name in PATHS else text
    return texts


def versions():
    """The version of each of PACKAGES that is installed: TensorFlow need not be, where another backend computes."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
