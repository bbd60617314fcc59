"""The page of a study: one table and one picture, and what they can and cannot say."""

from pathlib import Path

import jinja2

from kidneyct.report import gallery, report
from kidneyct.statistics import verdict

TEMPLATE = "study.html"
FOLDER = Path(__file__).parent


def page(study, parameters, forest):
    """The whole page as text; `study` is study.json, `parameters` params.yaml's, `forest` the PNG."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([FOLDER, report.TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": lambda value: f"{100 * value:.1f}",
        "points": verdict.signed,
        "p": report.p_value,
    }
    wanted = study["study"]
    return environment.get_template(TEMPLATE).render(
        study=wanted
        | {group: _without_folders(wanted[group]) for group in ("arms", "splits")}
        | {"settings": report.flat(wanted["settings"])},
        splits=study["splits"],
        parameters=report.flat(parameters),
        chart=gallery.chart(forest),
    )


def _without_folders(parts):
    """Changed parameters by arm or split; of a path only its last part."""
    return {name: report.flat(changes) for name, changes in parts.items()}
