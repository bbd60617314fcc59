"""What the published benchmark says, against the code that the study runs."""

import csv
import importlib.util
import json
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kidneyct.probe import logistic


def script(name):
    spec = importlib.util.spec_from_file_location(name, f"benchmark/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table():
    with open("benchmark/series.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_the_data_sets_names_and_whole_series(table):
    assert Counter(row["class"] for row in table) == {"Normal": 5077, "Cyst": 3709, "Tumor": 2283, "Stone": 1377}
    assert len({row["image"] for row in table}) == 12_446
    assert all(row["image"].startswith(f"{row['class']}/") for row in table)
    for column in ("class", "use"):
        assert len({(row["series"], row[column]) for row in table}) == len({row["series"] for row in table}) == 191
    assert len({row["series"] for row in table if row["use"] == "open"}) == 152


def test_the_rule_of_the_cuts_is_the_studys(table):
    opened = sorted({(row["series"], row["class"]) for row in table if row["use"] == "open"})
    codes = np.array([["Cyst", "Normal", "Stone", "Tumor"].index(label) for _, label in opened])
    for seed in (0, 7):
        folds = script("cuts").cut(seed)
        assert list(folds) != sorted(folds)
        found = logistic.dealt(codes, np.arange(152), 5, seed)
        assert [folds[name] for name, _ in opened] == found.tolist()


def test_a_thinned_archive_holds_evenly_spaced_images_as_they_are(table, tmp_path):
    names = [row["image"] for row in table if row["series"] == "cyst-002"]
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as archive:
        for name in reversed(names):
            archive.writestr(f"a/b/{name}", name)
        archive.writestr("a/b/Cyst/unknown.jpg", "of no series")
    thin = script("thin").thin
    assert thin(tmp_path / "whole.zip", tmp_path / "thin.zip", 3, "locked") == (0, 0)
    assert thin(tmp_path / "whole.zip", tmp_path / "thin.zip", 3) == (3, 1)
    with zipfile.ZipFile(tmp_path / "thin.zip") as archive:
        middle = names[round((len(names) - 1) / 2)]
        assert archive.namelist() == [f"a/b/{name}" for name in (names[0], middle, names[-1])]
        assert archive.read(f"a/b/{middle}").decode() == middle


def test_the_table_of_models_is_the_studys():
    models = json.loads(Path("metrics/study.json").read_text())["probes"]["models"]

    def cell(estimate):
        return "{:.1f} ({:.1f} to {:.1f})".format(*(100 * estimate[name] for name in ("value", "low", "high")))

    expected = {
        f"{cell(of['macro_auroc'])} | {cell(of['balanced_accuracy'])} | "
        f"{100 * of['slices']['accuracy']:.1f} | {100 * of['slices']['macro_f1']:.1f} |"
        for of in models.values()
    }
    table = Path("benchmark/results.md").read_text().split("<!-- models -->\n")[1].split("\n<!-- /models -->")[0]
    assert {line.split(" | ", 1)[1] for line in table.splitlines()[2:]} == expected
