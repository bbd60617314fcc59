"""The model card that goes with an exported model, for a reader who knows nothing of the run: what card.md names."""

from pathlib import Path

import jinja2

from kidneyct.files import record
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import starts
from kidneyct.report import report, titles
from kidneyct.statistics import verdict

PACKAGES = ("kidneyct", "tensorflow", "keras", "numpy")


def card(run, with_thumbnails):
    """The card of a `trained_model.Finished` as text; InputError where its metrics are another version's."""
    parameters = run.parameters
    weights, blocks = parameters["weights"], parameters["model.transferred_blocks"]
    start, texts = starts(titles.actual(weights, blocks))[run.role], report.flat(parameters)
    sources = {"kaggle": f"Kaggle, {parameters['data.kaggle']}", "phantom": "generated here"}
    environment = report.environment(Path(__file__).parent, keep_trailing_newline=True)
    # Without what Markdown, or a table in it, would take for markup.
    environment.filters["plain"] = lambda text: str(text).replace("<", "&lt;").replace("|", "\\|")
    try:
        return environment.get_template("card.md").render(
            run=run,
            p=parameters,
            texts=dict(sorted(texts.items())),
            name=titles.models(weights, blocks)[run.role],
            start=start,
            start_in_words=titles.start(start, blocks),
            classes=", ".join(run.model.settings.classes),
            source=sources.get(parameters["data.source"], f"a copy named {texts['data.source']}"),
            baselines=titles.BASELINES,
            verdict=verdict.verdict(run.comparison, run.leakage["accuracy"]),
            versions=record.versions(PACKAGES),
            with_thumbnails=with_thumbnails,
        )
    except (jinja2.UndefinedError, KeyError) as error:
        raise InputError(
            f"metrics: expected what this version of kidneyct writes, found otherwise ({error}); run dvc repro"
        ) from None
