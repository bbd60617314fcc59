"""The stage that draws and writes the page, on a small run's files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages import report

from kidneyct.measures import evaluation
from kidneyct.pipeline import params
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES
from kidneyct.report import gallery

DRAWN = {"leakage", "similarity", "comparison", "calibration", "curves", "explanations"}
DRAWN |= {f"{name}_{role}" for name in ("explanations", "mistakes", "randomisation") for role in ROLES}


@pytest.fixture
def folder(run, tmp_path, monkeypatch):
    """A workspace that holds what the stage reads, and no more."""
    tables = {
        "data/split.csv": run.table,
        "data/images/index.csv": run.table[["image", "label"]].assign(width=40, height=40, sha256=run.hashes),
        "data/series.csv": run.table[["image"]].assign(series=run.series),
        "metrics/leakage/pairs.csv": run.pairs,
        "metrics/leakage/similarity.csv": run.similarity,
        "metrics/comparison/external.csv": run.external_metrics,
    }
    trees = {"metrics/leakage/leakage.json": run.leakage, "params.yaml": run.parameters}  # JSON is YAML
    trees |= {f"metrics/comparison/{name}.json": getattr(run, name) for name in ("comparison", "external")}
    trees["dvc.yaml"] = {"stages": {"report": {"params": list(run.parameters)}}}
    for role in run.predictions:
        tables[f"models/{role}/predictions.csv"] = run.predictions[role]
        tables[f"models/{role}/history.csv"] = run.histories[role]
        tables[f"models/{role}/rates.csv"] = run.rates[role]
        tables[f"data/external/{role}.csv"] = run.external_predictions[role]
        tables[f"metrics/comparison/{role}/reliability.csv"] = run.reliability[role]
        tables[f"data/maps/{role}/randomisation.csv"] = run.cascades[role]
        trees[f"metrics/comparison/{role}/evaluation.json"] = run.evaluations[role]
        trees[f"data/maps/{role}/maps.json"] = run.measured[role]
        trees[f"metrics/probe/{role}/probe.json"] = run.probes[role]
    for name in (*tables, *trees):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(tmp_path / name, index=False)
    for name, tree in trees.items():
        (tmp_path / name).write_text(json.dumps(tree))
    np.save(tmp_path / "data/images/images.npy", run.images)
    for role, arrays in run.maps.items():
        np.savez_compressed(tmp_path / f"data/maps/{role}/maps.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_pictures_are_drawn_and_the_page_takes_some_in(folder, monkeypatch):
    taken = []
    chart = {"source": "data:,", "width": 1, "height": 1}
    monkeypatch.setattr(gallery, "chart", lambda path: taken.append(Path(path).stem) or chart)
    report.main()
    widths = {path.stem: Image.open(path).width for path in folder.glob("plots/pictures/*.png")}
    assert widths.keys() == DRAWN
    assert 520 <= min(widths.values()) <= max(widths.values()) <= 1350
    of_roles = {f"randomisation_{role}" for role in ROLES}
    assert set(taken) == {"leakage", "similarity", "curves", "calibration"} | of_roles
    assert (folder / "plots/report.html").exists()


def test_a_run_whose_maps_are_not_measured_has_a_page(folder, written):
    measured, cascade = evaluation.evaluate_maps(None, None, [], [], None, 0)
    for role in ROLES:
        (folder / f"data/maps/{role}/maps.json").write_text(json.dumps(measured))
        cascade.to_csv(folder / f"data/maps/{role}/randomisation.csv", index=False)
    assert "No map was measured (explain.measured_images: 0)." in written(report.read_run(params.load("report")))


PATHS = ("metrics/leakage/pairs.csv", "data/split.csv", "models/control/history.csv", "models/control/predictions.csv")
JSON = ("metrics/comparison/control/evaluation.json", "data/maps/control/maps.json")


@pytest.mark.parametrize("path", [*PATHS, *JSON])
def test_a_damaged_file_is_one_line_that_names_it(folder, path):
    whole = (folder / path).read_bytes()
    tables = (b"", b"\x89PNG\r\n\x1a\n\xff\x00", bytes(200), whole[: whole.find(b"\n") + 1], whole[:-3])
    for content in tables if path in PATHS else (b"\xff\xfe", b'{"accuracy": 0.', b"[1]", b"{}"):
        (folder / path).write_bytes(content)
        with pytest.raises(InputError) as caught:
            report.main()
        (line,) = str(caught.value).splitlines()
        assert line.startswith(f"{path}: expected ")
        assert line.endswith(", or make it again with dvc repro")
