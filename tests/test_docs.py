"""The pages say what the code says."""

import json
import re
from pathlib import Path

import house
import pytest

from benchmarks import page as tables
from benchmarks import stopwatch, tutorial
from kidneyct.pipeline import params, yaml12

PAGES = [
    Path("README.md"),
    Path("CONTRIBUTING.md"),
    *sorted(Path().glob("[!.]*/README.md")),
    *Path("docs").glob("*.md"),
]


def test_every_parameter_is_on_its_page_with_range():
    ranges = {key: text.removeprefix("a whole number from ").removeprefix("a ") for key, text in params.keys().items()}
    assert [(key, allowed) for key, _, allowed in house.parameters()] == list(ranges.items())


@pytest.mark.skipif(Path("dvc.lock").exists(), reason="params.yaml says what was run here")
def test_every_default_is_on_the_page():
    assert house.defaults() == yaml12.read("params.yaml")


def test_the_stages_table_has_their_packages_and_outputs():
    table = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", Path("docs/architecture.md").read_text(), re.MULTILINE)
    stages = yaml12.read("dvc.yaml")["stages"]
    assert [stage for stage, *_ in table] == list(stages)
    for stage, packages, written in table:
        body = stages[stage].get("do", stages[stage])
        deps = (dep.removeprefix("src/kidneyct/").split("/")[0] for dep in body["deps"] if dep.startswith("src/"))
        assert re.findall(r"`(\w+)`", packages) == list(dict.fromkeys(deps)), stage
        for out in [*body["outs"], *body.get("metrics", [])]:
            path = re.sub(r"\$\{\w+\}", "<role>", out if isinstance(out, str) else next(iter(out)))
            assert f"`{path}`" in written, stage


def test_links_and_pictures_within_the_project_lead_somewhere():
    for page in PAGES:
        text = page.read_text()
        for target in re.findall(r'\]\(([^)\s]+)\)|<img src="([^"]+)"', text):
            path, _, anchor = "".join(target).partition("#")
            if ":" in path:
                continue
            place = (page.parent / path) if path else page
            assert place.exists(), f"{page}: {path}"
            if anchor:
                titles = re.findall(r"^#+ (.+)$", place.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
                assert anchor in anchors, f"{page}: {path}#{anchor}"


def test_the_tutorials_commands_and_what_they_have_to_print():
    page = "```sh\nls\n```\n\n```text\na  … b\n```\n\n```sh\ntrue\n```\n"
    assert tutorial.blocks(page) == [("ls\n", "a  … b\n"), ("true\n", None)]
    assert re.search(tutorial.pattern("a  … b\n"), "so: a 1 2 b")
    assert not re.search(tutorial.pattern("a  … b\n"), "b a")


def test_benchmarks_tables_are_the_results():
    text = tables.PAGE.read_text()
    assert tables.filled(text) == text
    assert all((stopwatch.RESULTS / f"{match[2]}.json").exists() for match in tables.PLACE.finditer(text))


def test_the_results_tables_are_the_studys():
    probes = json.loads(Path("metrics/study.json").read_text())["probes"]
    text, readme = Path("docs/results.md").read_text(), Path("README.md").read_text()
    tables = {"models": [], "contrasts": []}
    for name, model in probes["models"].items():
        ends = [
            "{value:.1%} ({low:.1%} to {high:.1%})".format(**model[m]) for m in ("macro_auroc", "balanced_accuracy")
        ]
        slices = f"{model['slices']['accuracy']:.1%}"
        row = f"| {name} | {' | '.join(ends)} | {slices} | {model['slices']['macro_f1']:.1%} |"
        tables["models"].append(row.replace("%", ""))
        if name in ("imagenet", "photographs", "random", "thumbnails", "acquisition", "nearest thumbnail"):
            assert f"| {ends[0]} | {slices} |".replace("%", "") in readme
    for name, metrics in probes["contrasts"].items():
        gap = metrics["macro_auroc"]
        parts = " | ".join(f"{gap['parts'].get(part, 0):.1%}" for part in ("series", "training", "cuts", "draws"))
        p = "< 0.001" if gap["p_holm"] < 0.001 else f"{gap['p_holm']:.3f}"
        row = "| {} | {value:+.1%} ({low:+.1%} to {high:+.1%}) | {} | {} |".format(name, parts, p, **gap)
        tables["contrasts"].append(row.replace("%", ""))
    for name, rows in tables.items():
        assert text.split(f"<!-- {name} -->\n")[1].split(f"\n<!-- /{name} -->")[0].splitlines()[2:] == rows


CHECKS = {"all slices": "all-slices", "greys matched": "matched", "untouched greys": "originals"}
CHECKS["neighbouring series together"] = "block"


def test_the_checks_and_what_the_split_is_worth_are_their_files():
    text = Path("docs/results.md").read_text()
    paths = {path.stem: path for path in Path("docs/results").glob("*.json") if path.stem != "gap"}
    found = {name: (tree := json.loads(path.read_text())).get("probes", tree) for name, path in paths.items()}
    for name, file in CHECKS.items():
        study = found[file]
        values = [
            f"{study['models'][model]['macro_auroc']['value']:.1%}"
            for model in ("imagenet", "random", "acquisition", "thumbnails")
        ]
        gap = study["contrasts"]["imagenet less random"]["macro_auroc"]
        values.insert(2, "{value:+.1%} ({low:+.1%} to {high:+.1%})".format(**gap))
        row = f"| {name} | {study['images']:,}, {study['series']} | {study['draws']}, {study['cuts']} | "
        assert row + " | ".join(values).replace("%", "") + " |\n" in text
    for name in ("imagenet", "random", "thumbnails", "acquisition", "nearest thumbnail"):
        pair = (found[file]["models"][name]["slices"]["accuracy"] for file in ("by-image", "all-slices"))
        assert f"| {name} | {' | '.join(f'{share:.1%}' for share in pair)} |\n".replace("%", "") in text
