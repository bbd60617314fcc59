"""The external test set's stages, one after the other, on files in a folder of their own."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from tiny import ROOT, TINY

from stages import check, compare_external, download_external, evaluate_external, preprocess_external

from kidneyct.files import index, predictions
from kidneyct.pipeline import yaml12
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES
from kidneyct.series import inference

CLASSES = TINY["data"]["classes"]


def picture(seed, shift=0):
    """A picture of its own; a shift in brightness leaves a near-duplicate."""
    blocks = np.random.default_rng(seed).integers(20, 200, (8, 8))
    return np.kron(blocks, np.ones((8, 8), int)).astype("uint8") + np.uint8(shift)


def scans(folder, pictures):
    for name, pixels in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A study of eight images, two of each class, of which one trains; `edit` sets its parameters."""
    for name in ("data", "metrics"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    settings = yaml12.load((ROOT / "params.yaml").read_text())
    for section, keys in TINY.items():
        settings[section] = settings[section] | keys if isinstance(keys, dict) else keys
    names = [f"{label}/{number}.png" for label in CLASSES for number in (0, 1)]
    labels = np.repeat(CLASSES, 2)
    table = pd.DataFrame({"image": names, "label": labels})
    table.assign(width=64, height=64, sha256=[f"{row:064x}" for row in range(8)]).to_csv(
        tmp_path / "data/index.csv", index=False
    )
    table.assign(split=["train", "test"] * 4).to_csv(tmp_path / "data/split.csv", index=False)
    table[["image"]].assign(series=range(8)).to_csv(tmp_path / "data/series.csv", index=False)
    thumbnails = [Image.fromarray(picture(row)).resize((25, 25), Image.Resampling.BOX) for row in range(8)]
    np.save(tmp_path / "data/thumbnails.npy", np.stack([np.asarray(each) for each in thumbnails]))
    own = {"accuracy": 0.5, "macro_f1": 0.5, "expected_calibration_error": 0.1, "brier_score": 0.4}
    own |= {"collapsed": False, "training_accuracy": 0.9, "untrained": False}
    own |= {"classes": {label: {"recall": 0.5} for label in CLASSES}}
    for role in ROLES:
        (tmp_path / f"metrics/{role}").mkdir()
        (tmp_path / f"metrics/{role}/evaluation.json").write_text(json.dumps(own))
    monkeypatch.chdir(tmp_path)

    def edit(**changes):
        for key, value in changes.items():
            section, name = key.split("__")
            settings[section][name] = value
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))

    edit(data__external="none")
    return edit


def test_none_leaves_empty_files_without_tensorflow(workspace, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "keras", None)  # an import of it fails
    monkeypatch.delitem(sys.modules, "kidneyct.classifier.external", raising=False)
    for stage in (download_external, preprocess_external):
        stage.main()
    for role in ROLES:
        evaluate_external.main(role)
    compare_external.main()
    assert capsys.readouterr().out == "no external test set (data.external: none)\n"
    assert json.loads(Path("metrics/external.json").read_text()) == {"images": 0}
    assert Path("data/external/index.csv").read_text() == "image,label,width,height,sha256\n"
    assert np.load("data/external/images.npy").shape == (0, 32, 32, 3)
    for role in ROLES:
        assert len(index.read(f"plots/{role}/external/predictions.csv")) == 0
    assert Path("plots/external/images.csv").read_text() == "image,label\n"
    assert Path("plots/external/metrics.csv").read_text() == "metric,role,value,low,high,own_test\n"


def predicted(role, right):
    """What evaluate_external writes of a model that is right where `right` says, and else takes all for a Stone."""
    table = index.read("data/external/split.csv")
    rows = index.rows(table, "test")
    codes = np.where(right, index.codes(table["label"], CLASSES)[rows], CLASSES.index("Stone"))
    Path(f"plots/{role}/external").mkdir(parents=True)
    probabilities = 0.1 + 0.6 * np.eye(4)[codes]
    predictions.tabulate(table, rows, CLASSES, probabilities).to_csv(
        f"plots/{role}/external/predictions.csv", index=False
    )


def test_planted_near_duplicates_are_found_and_named(workspace, tmp_path, capsys):
    pictures = {"Cyst/a.png": picture(2, shift=9), "Cyst/b.png": picture(50), "Cyst/c.png": picture(50, shift=3)}
    pictures |= {"Normal/a.png": picture(51), "Tumor/a.png": picture(7, shift=4)}
    workspace(data__external=str(scans(tmp_path / "theirs", pictures)))
    download_external.main()
    assert capsys.readouterr().out == "5 external images: Cyst 3, Normal 1, Stone 0, Tumor 1\n"
    preprocess_external.main()
    assert capsys.readouterr().out == "preprocess_external: 5 images of 4 series, inferred\n"
    thumbnails = np.load("data/external/thumbnails.npy")
    found = index.read("data/external/index.csv")
    expected = inference.infer(thumbnails, found["sha256"], 0.99).tolist()
    assert index.read_series("data/external/series.csv").tolist() == expected == [0, 1, 1, 2, 3]
    predicted("candidate", [True] * 5)
    predicted("control", [True, False, False, False, False])
    compare_external.main()
    result = json.loads(Path("metrics/external.json").read_text())
    assert (result["missing_classes"], result["series_are"]) == (["Stone"], "inferred")
    assert result["gap"]["accuracy"]["value"] == 0.8
    assert result["near_duplicates"] == {
        "training": 1,  # of row 2, Normal/0.png
        "study": 2,  # and of row 7, Tumor/1.png, a test image
        "share": 0.4,
        "series": 2,
        "same_file": 0,
        "another_class": 1,
    }
    assert (result["apart"]["images"], result["apart"]["series"]) == (3, 2)
    assert result["apart"]["models"]["control"]["accuracy"]["value"] == 0
    assert result["left_out"] == {"unreadable": 0, "contradictory": 0}
    images = pd.read_csv("plots/external/images.csv").set_index("image")
    assert images.loc["Cyst/a.png", ["study", "study_split", "near_duplicate"]].tolist() == [
        "Normal/0.png",
        "train",
        "training",
    ]
    assert images.loc["Tumor/a.png", ["study", "near_duplicate"]].tolist() == ["Tumor/1.png", "study"]
    lines = pd.read_csv("plots/external/metrics.csv").set_index(["metric", "role"])
    assert lines.loc[("accuracy", "control"), ["value", "own_test"]].tolist() == [0.2, 0.5]
    assert np.isnan(lines.loc[("recall of Stone", "candidate"), "value"])


def test_a_table_of_other_images_is_one_line(workspace, tmp_path):
    workspace(data__external=str(scans(tmp_path / "theirs", {f"Cyst/{seed}.png": picture(seed) for seed in (60, 61)})))
    for stage in (download_external, preprocess_external):
        stage.main()
    for role in ROLES:
        predicted(role, [True, True])
    for name in ("index", "split", "series"):
        path = Path(f"data/external/{name}.csv")
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        for kept in (1, 2):  # the names alone; one image
            path.write_bytes(b"".join(lines[:kept]))
            with pytest.raises(InputError, match=r"^data/external/(index|split|series)\.csv: expected .*dvc checkout"):
                compare_external.main()
        path.write_bytes(whole)
    compare_external.main()


def test_known_series_beat_inferred_ones(workspace, tmp_path, capsys):
    """a and b are nearly one picture and of two patients; c is another picture of a's."""
    pictures = {"Cyst/a.png": picture(50), "Cyst/b.png": picture(50, shift=3), "Cyst/c.png": picture(51)}
    folder = scans(tmp_path / "theirs", pictures)
    (folder / "patients.csv").write_text("image,series\nCyst/a.png,P\nCyst/b.png,Q\nCyst/c.png,P\n")
    workspace(data__external=str(folder))
    download_external.main()
    capsys.readouterr()
    preprocess_external.main()
    assert capsys.readouterr().out == "preprocess_external: 3 images of 2 series, known\n"
    table = pd.read_csv("data/external/series.csv")
    assert table["series"].tolist() == [0, 1, 0]
    assert table["inferred"].tolist() == [0, 0, 1]
    for role in ROLES:
        predicted(role, [True, False, True])
    compare_external.main()
    result = json.loads(Path("metrics/external.json").read_text())
    assert (result["series"], result["series_are"]) == (2, "known")
    (folder / "patients.csv").write_text("image,series\nCyst/a.png,P\nCyst/b.png,Q\n")
    download_external.main()
    line = r"^data/external/archive.zip: patients.csv: 1 image of data/external/index.csv missing: Cyst/c.png; correct "
    line += "the table, or take it out of data.external$"
    with pytest.raises(InputError, match=line):
        preprocess_external.main()


def test_damaged_images_follow_the_studys_rule(workspace, tmp_path, capsys):
    pictures = {f"{label}/{seed}.png": picture(seed) for seed in (60, 61) for label in ("Cyst", "Stone")}
    folder = scans(tmp_path / "theirs", pictures)
    (folder / "Stone/61.png").write_bytes(b"no picture")
    workspace(data__external=str(folder), split__contradictory="keep")
    download_external.main()
    with pytest.raises(InputError, match=r"^data/external/archive.zip: 1 of 4 images can't be read: Stone/61.png: .*"):
        preprocess_external.main()
    workspace(preprocess__allow_corrupt=1)
    capsys.readouterr()
    preprocess_external.main()
    said = "preprocess_external: 3 images of 2 series, inferred, 1 that can't be read left out: "
    said += "see data/external/rejected.csv\n"
    assert capsys.readouterr().out == said


def test_one_file_under_two_classes_follows_the_studys_rule(workspace, tmp_path, capsys):
    pictures = {"Cyst/a.png": picture(60), "Stone/a.png": picture(60), "Stone/b.png": picture(61)}
    workspace(data__external=str(scans(tmp_path / "theirs", pictures)))
    download_external.main()
    line = r"^data/external/index.csv: the same file under two classes: Cyst/a.png = Stone/a.png; remove the wrong ones"
    with pytest.raises(InputError, match=line):
        preprocess_external.main()
    workspace(split__contradictory="drop")
    capsys.readouterr()
    preprocess_external.main()
    assert capsys.readouterr().out.endswith(", 2 that are filed under two classes left out\n")
    for role in ROLES:
        predicted(role, [True])
    compare_external.main()
    result = json.loads(Path("metrics/external.json").read_text())
    assert (result["images"], result["left_out"]["contradictory"]) == (1, 2)
    os.remove(tmp_path / "theirs/Stone/b.png")
    download_external.main()
    with pytest.raises(InputError, match=r"^data/external/index.csv: split.contradictory: drop leaves no image"):
        preprocess_external.main()


def test_check_refuses_what_is_no_other_data(workspace, tmp_path):
    workspace(data__external="data/external/archive.zip")
    with pytest.raises(InputError, match=r"^params.yaml: data.external: found data/external/archive.zip, which is "):
        check.main()
    workspace(data__external=str(scans(tmp_path / "mine", {"Cyst/a.png": picture(60)})), data__source="mine")
    with pytest.raises(InputError, match=r"^params.yaml: data.external: found .*/mine, which is data.source: "):
        check.main()
    workspace(data__external="none")
    check.main()
