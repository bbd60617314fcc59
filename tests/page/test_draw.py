"""The stages that draw and write the page, on a small run's files."""

import inspect
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages import draw, report

from kidneyct.pipeline import params
from kidneyct.pipeline.errors import InputError
from kidneyct.report import charts, gallery, panels

PICTURES = {
    "leakage.png": (1560, 1065),
    "similarity.png": (1275, 435),
    "comparison.png": (1575, 735),
    "calibration.png": (1575, 1080),
    "curves.png": (1575, 660),
    "external.png": (900, 240),
    "explanations.png": (1725, 817),
    "candidate/explanations.png": (2025, 817),
    "candidate/mistakes.png": (2025, 517),
    "candidate/randomisation.png": (780, 630),
    "control/explanations.png": (2025, 817),
    "control/mistakes.png": (2025, 517),
    "control/randomisation.png": (780, 630),
}


@pytest.fixture
def folder(run, tmp_path, monkeypatch):
    """A workspace that holds what both stages read, and no more."""
    tables = {
        "data/split.csv": run.table,
        "data/index.csv": run.table[["image", "label"]].assign(width=40, height=40, sha256=run.hashes),
        "data/series.csv": run.table[["image"]].assign(series=run.series),
        "plots/external/images.csv": run.external_images,
        "plots/external/metrics.csv": pd.DataFrame(columns=["metric", "role", "value", "low", "high", "own_test"]),
        "plots/similarity.csv": pd.DataFrame(
            {"similarity": [0.9, 0.99], "series": [7, 8], "mixed": [1, 0], "nearest_thumbnail": [0.25, 0.5]}
        ),
        "plots/pairs.csv": pd.DataFrame({"test": [2, 6], "training": [0, 4], "correlation": [0.99, 0.5]}),
    }
    trees = {"metrics/leakage.json": run.leakage, "metrics/comparison.json": run.comparison}
    trees |= {"metrics/external.json": run.external}
    bins = {"low": [0.6], "high": [0.8], "confidence": [0.7], "accuracy": [0.5], "count": [8]}
    steps = ["trained", "scores", "block1"]
    for role in run.predictions:
        tables[f"plots/{role}/predictions.csv"] = run.predictions[role]
        tables[f"plots/{role}/external/predictions.csv"] = run.external_predictions[role]
        tables[f"plots/{role}/history.csv"] = run.histories[role]
        tables[f"plots/{role}/rates.csv"] = run.rates[role]
        tables[f"plots/{role}/reliability.csv"] = pd.DataFrame(bins)
        tables[f"plots/{role}/randomisation.csv"] = pd.DataFrame(
            {"method": "saliency", "step": steps, "image": 0, "correlation": [1, 0.5, 0.1], "chance": 0.0}
        )
        trees[f"metrics/{role}/evaluation.json"] = run.evaluations[role]
        trees[f"metrics/{role}/maps.json"] = run.measured[role]
        trees[f"metrics/{role}/probe.json"] = run.probes[role]
    folders = [f"plots/{name}external" for name in ("", "candidate/", "control/")]
    for name in ("data/maps", *folders, *(f"{top}/{role}" for top in ("plots", "metrics") for role in run.predictions)):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(tmp_path / name, index=False)
    trees["params.yaml"] = run.parameters  # JSON is YAML
    drawn = ["weights", "data.classes", "series.similarity", "model.transferred_blocks", "explain.mistakes"]
    pipeline = {"draw": drawn, "report": list(params.keys())}
    trees["dvc.yaml"] = {"stages": {stage: {"params": names} for stage, names in pipeline.items()}}
    for name, tree in trees.items():
        (tmp_path / name).write_text(json.dumps(tree))
    np.save(tmp_path / "data/images.npy", run.images)
    for role, arrays in run.maps.items():
        np.savez_compressed(tmp_path / f"data/maps/{role}.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_pictures_are_drawn_and_the_page_takes_them_in(folder):
    draw.main()
    drawn = {path.relative_to(folder / "plots").as_posix(): path for path in folder.glob("plots/**/*.png")}
    assert {name: Image.open(path).size for name, path in drawn.items()} == PICTURES
    report.main()
    page = (folder / "plots/report.html").read_text()
    for name in (
        "leakage",
        "similarity",
        "curves",
        "calibration",
        "candidate/randomisation",
        "control/randomisation",
    ):
        assert gallery.chart(drawn[f"{name}.png"])["source"] in page


def test_pictures_name_what_was_kept_and_what_collapsed(folder, monkeypatch):
    path = folder / "metrics/control/evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"collapsed": True, "untrained": True}))
    rates = pd.read_csv(folder / "plots/control/rates.csv")
    tried = [rates.assign(learning_rate=0.0001, kept=0), rates.assign(learning_rate=0.01)]
    pd.concat(tried).to_csv(folder / "plots/control/rates.csv", index=False)
    path = folder / "params.yaml"
    parameters = json.loads(path.read_text())
    parameters["model"]["transferred_blocks"] = 3
    path.write_text(json.dumps(parameters))
    said = {}
    for name in ("confusion_pair", "learning_curves"):
        monkeypatch.setattr(charts, name, lambda *given, name=name: said.update({name: list(given[-1])}))
    draw.main()
    assert said == {
        "confusion_pair": [
            "candidate (imagenet, 3 of 5 blocks)\naccuracy 87.50% of 8 test images",
            "control (random weights)\naccuracy 50.00% of 8 test images, collapsed, untrained",
        ],
        "learning_curves": [
            "candidate (imagenet, 3 of 5 blocks), learning rate 0.001",
            "control (random weights), learning rate 0.01",
        ],
    }


DAMAGED = {
    "empty": b"",
    "binary": b"\x89PNG\r\n\x1a\n\xff\x00",
    "names alone": None,
    "cut short": None,
    "zeros": bytes(200),
}
TABLES = ("history", "rates", "predictions", "reliability", "randomisation")
PATHS = ["plots/pairs.csv", "data/split.csv", *(f"plots/control/{name}.csv" for name in TABLES)]


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("path", PATHS)
def test_a_damaged_table_is_one_line_that_names_it(folder, path, damage, monkeypatch):
    for module in (panels, charts):
        for name in [name for name, value in vars(module).items() if inspect.isfunction(value) and name[0] != "_"]:
            monkeypatch.setattr(module, name, lambda *given, **options: None)
    whole = (folder / path).read_bytes()
    contents = DAMAGED | {"names alone": whole[: whole.index(b"\n") + 1], "cut short": whole[:-3]}
    (folder / path).write_bytes(contents[damage])
    with pytest.raises(InputError) as caught:
        draw.main()
    (line,) = str(caught.value).splitlines()
    if (path, damage) == ("data/split.csv", "names alone"):  # its images are then missing in the others
        path = "data/images.npy"
    assert line.startswith(f"{path}: expected ")
    assert line.endswith(", or make it anew with dvc repro")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"accuracy": 0.', b"[1]", b"null", b"{}"])
@pytest.mark.parametrize("name", ["control/evaluation", "control/maps", "comparison", "external", "leakage"])
def test_damaged_json_is_one_line_that_names_it(folder, name, content):
    path = f"metrics/{name}.json"
    (folder / path).write_bytes(content)
    with pytest.raises(InputError) as caught:
        report.main()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: expected ")
    assert line.endswith(", or make it anew with dvc repro")
