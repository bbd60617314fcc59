"""The pages say what the code says."""

import json
import re
from pathlib import Path

from benchmarks import page as tables
from benchmarks import stopwatch
from kidneyct.experiments import starts
from kidneyct.pipeline import params, yaml12

PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), *sorted(Path("docs").glob("*.md"))]


def rows():
    """Of each row in the tables of docs/parameters.md: key and what reads it."""
    for line in Path("docs/parameters.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            yield cells[0].strip("`"), {name.partition("@")[0] for name in re.findall(r"`([^`]+)`", cells[-1])}


def test_every_parameter_is_told_with_what_reads_it():
    stages = yaml12.load(Path("dvc.yaml").read_text())["stages"]
    readers = {key: set() for key in sorted(params.keys())}
    for stage, entry in stages.items():
        for role in entry.get("foreach", [""]):
            for key in params.declared(f"{stage}@{role}".rstrip("@")):
                if stage not in ("check", "report"):  # which read every key, as the page says
                    readers[key].add(stage)
    assert dict(rows()) == readers


def test_links_within_the_project_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            place = (page.parent / path) if path else page
            assert place.exists(), f"{page}: {target}"
            if anchor:
                titles = re.findall(r"^#+ (.+)$", place.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
                assert anchor in anchors, f"{page}: {target}"


def test_pictures_on_the_pages_are_there():
    for page in PAGES:
        for source in re.findall(r'<img src="([^"]+)"', page.read_text()):
            assert (page.parent / source).exists(), f"{page}: {source}"


def test_benchmarks_tables_are_the_results():
    text = tables.PAGE.read_text()
    assert tables.filled(text) == text
    places = {match[2] for match in tables.PLACE.finditer(text)}
    assert {path.stem for path in stopwatch.RESULTS.glob("*.json")} <= places


def test_the_results_tables_are_the_studys():
    probes = json.loads(Path("metrics/study.json").read_text())["probes"]
    text = Path("docs/results.md").read_text()
    for name, table in starts.tables(probes).items():
        assert text.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0] == table
    readme = Path("README.md").read_text()
    for model in ("imagenet", "photographs", "random", "thumbnails", "acquisition", "nearest thumbnail"):
        value = probes["models"][model]["macro_auroc"]
        ends = f"{100 * value['value']:.1f} ({100 * value['low']:.1f} to {100 * value['high']:.1f})"
        assert f"| {ends} | {100 * probes['models'][model]['slices']['accuracy']:.1f} |" in readme
