"""The stage that draws and writes the page, on a small run's files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages import report

from kidneyct.pipeline.errors import InputError
from kidneyct.report import canvas, gallery
from kidneyct.report.report import figures

SIZES = {
    "leakage": (1560, 1065),
    "similarity": (1275, 435),
    "comparison": (1575, 735),
    "calibration": (1575, 1080),
    "curves": (1575, 660),
    "explanations": (1725, 817),
} | {
    f"{name}_{role}": size
    for role in ("candidate", "control")
    for name, size in {"explanations": (2025, 817), "mistakes": (2025, 517), "randomisation": (780, 630)}.items()
}


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


def test_all_pictures_are_drawn_the_same_each_time_and_the_page_takes_some_in(folder, run, monkeypatch):
    taken = []
    chart = {"source": "data:,", "width": 1, "height": 1}
    monkeypatch.setattr(gallery, "chart", lambda path: taken.append(Path(path).stem) or chart)
    report.main()
    drawn = {path.stem: path for path in folder.glob("plots/pictures/*")}
    assert {name: Image.open(path).size for name, path in drawn.items()} == SIZES
    again = dict(figures(run))
    for name in ("comparison", "leakage", "mistakes_control"):
        canvas.save(again[name], folder / "again.png")
        content = drawn[name].read_bytes()
        assert content == (folder / "again.png").read_bytes()
        assert b"Software" not in content
    of_role = {f"randomisation_{role}" for role in run.maps}
    assert set(taken) == {"leakage", "similarity", "curves", "calibration"} | of_role
    assert (folder / "plots/report.html").exists()


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
        assert line.endswith(", or make it anew with dvc repro")
