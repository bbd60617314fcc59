"""The external test set's stages, one after the other, on files in a folder of their own."""

import copy
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

from stages import check, compare, external

from kidneyct.files import index
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES
from kidneyct.series import inference

CLASSES = TINY["data"]["classes"]


OWN = {  # what matters here of evaluation.json
    "accuracy": 0.5,
    "macro_f1": 0.5,
    "expected_calibration_error": 0.1,
    "brier_score": 0.4,
    "classes": {label: {"recall": 0.5} for label in CLASSES},
}


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
    (tmp_path / "data/images").mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    settings = copy.deepcopy(TINY)
    names = [f"{label}/{number}.png" for label in CLASSES for number in (0, 1)]
    labels = np.repeat(CLASSES, 2)
    table = pd.DataFrame({"image": names, "label": labels})
    table.assign(width=64, height=64, sha256=[f"{row:064x}" for row in range(8)]).to_csv(
        tmp_path / "data/images/index.csv", index=False
    )
    table.assign(split=["train", "test"] * 4).to_csv(tmp_path / "data/split.csv", index=False)
    table[["image"]].assign(series=range(8)).to_csv(tmp_path / "data/series.csv", index=False)
    thumbnails = [Image.fromarray(picture(row)).resize((25, 25), Image.Resampling.BOX) for row in range(8)]
    np.save(tmp_path / "data/images/thumbnails.npy", np.stack([np.asarray(each) for each in thumbnails]))
    monkeypatch.chdir(tmp_path)

    def edit(**changes):
        for key, value in changes.items():
            section, name = key.split("__")
            settings[section][name] = value
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings))

    edit(data__external="none")
    return edit


def test_none_leaves_empty_tables_without_tensorflow(workspace, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "keras", None)  # an import of it fails
    monkeypatch.delitem(sys.modules, "kidneyct.classifier.batches", raising=False)
    external.main()
    assert compared() == {"images": 0}
    assert capsys.readouterr().out == "no external test set (data.external: none)\n"
    assert Path("data/external/index.csv").read_text() == "image,label,width,height,sha256\n"
    assert np.load("data/external/images.npy").shape == (0, 32, 32, 3)
    for role in ROLES:
        assert len(index.read(f"data/external/{role}.csv")) == 0
    assert Path("data/external/images.csv").read_text() == "image,label\n"
    assert Path("metrics/comparison/external.csv").read_text() == "metric,role,value,low,high,own_test\n"


def compared():
    compare.compare_external(dict.fromkeys(ROLES, OWN), CLASSES)
    return json.loads(Path("metrics/comparison/external.json").read_text())


@pytest.fixture
def run(workspace, tmp_path, monkeypatch):
    """The stage on a folder, with models that are right where `candidate` and `control` say, and else see a Stone."""

    def run(folder, candidate=(), control=(), **changes):
        def predicted(rows, classes, model):
            codes = index.codes(index.read("data/external/split.csv")["label"], CLASSES)[rows]
            right = {
                role: np.resize(values or [True], len(rows))
                for role, values in zip(ROLES, (candidate, control), strict=True)
            }
            return {role: 0.1 + 0.6 * np.eye(4)[np.where(right[role], codes, 2)] for role in ROLES}

        monkeypatch.setattr(external, "predicted", predicted)
        monkeypatch.setattr(external, "probed", lambda rows, *_: predicted(rows, CLASSES, None))
        workspace(data__external=str(folder), **changes)
        external.main()

    return run


def test_planted_near_duplicates_are_found_and_named(run, tmp_path, capsys):
    pictures = {"Cyst/a.png": picture(2, shift=9), "Cyst/b.png": picture(50), "Cyst/c.png": picture(50, shift=3)}
    pictures |= {"Normal/a.png": picture(51), "Tumor/a.png": picture(7, shift=4)}
    run(scans(tmp_path / "theirs", pictures), [True] * 5, [True, False, False, False, False])
    assert capsys.readouterr().out == "external: 5 images of 4 series, inferred\n"
    found = index.read("data/external/index.csv")
    expected = inference.infer(np.load("data/external/thumbnails.npy"), found["sha256"], 0.99).tolist()
    assert index.read_series("data/external/series.csv").tolist() == expected == [0, 1, 1, 2, 3]
    result = compared()
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
    assert [result["probe"][role]["accuracy"] for role in ROLES] == [1, 0.2]
    images = pd.read_csv("data/external/images.csv").set_index("image")
    first = images.loc["Cyst/a.png", ["study", "study_split", "near_duplicate"]].tolist()
    assert first == ["Normal/0.png", "train", "training"]
    assert images.loc["Tumor/a.png", ["study", "near_duplicate"]].tolist() == ["Tumor/1.png", "study"]
    lines = pd.read_csv("metrics/comparison/external.csv").set_index(["metric", "role"])
    assert lines.loc[("accuracy", "control"), ["value", "own_test"]].tolist() == [0.2, 0.5]
    assert np.isnan(lines.loc[("recall of Stone", "candidate"), "value"])


def test_known_series_beat_inferred_ones(run, tmp_path, capsys):
    """a and b are nearly one picture and of two patients; c is another picture of a's."""
    pictures = {"Cyst/a.png": picture(50), "Cyst/b.png": picture(50, shift=3), "Cyst/c.png": picture(51)}
    folder = scans(tmp_path / "theirs", pictures)
    (folder / "patients.csv").write_text("image,series\nCyst/a.png,P\nCyst/b.png,Q\nCyst/c.png,P\n")
    run(folder, [True, False, True], [True, False, True])
    assert capsys.readouterr().out == "external: 3 images of 2 series, known\n"
    table = pd.read_csv("data/external/series.csv")
    assert table["series"].tolist() == [0, 1, 0]
    assert table["inferred"].tolist() == [0, 0, 1]
    result = compared()
    assert (result["series"], result["series_are"]) == (2, "known")
    run(folder, series__table="none")
    assert compared()["series_are"] == "inferred"
    (folder / "patients.csv").write_text("image,series\nCyst/a.png,P\nCyst/b.png,Q\n")
    line = r"patients.csv: 1 image\(s\) of data/external/index.csv missing: Cyst/c.png; .*, or take it out of data.ext"
    with pytest.raises(InputError, match=line):
        run(folder, series__table="archive")


def test_the_published_table_is_of_its_own_images_alone(run, tmp_path):
    folder = scans(tmp_path / "theirs", {"Cyst/a.png": picture(50), "Cyst/b.png": picture(51)})
    (tmp_path / "benchmark").mkdir()
    shutil.copy(ROOT / "benchmark/series.csv", tmp_path / "benchmark")
    run(folder, series__table="published")  # another hospital's
    assert compared()["series_are"] == "inferred"
    for old, new in (("a", "Cyst- (2)"), ("b", "Cyst- (10)")):
        (folder / f"Cyst/{old}.png").rename(folder / f"Cyst/{new}.jpg")
    run(folder)
    assert (compared()["series_are"], compared()["series"]) == ("known", 1)


def test_damaged_and_contradictory_images_follow_the_studys_rules(run, tmp_path, capsys):
    pictures = {"Cyst/a.png": picture(60), "Stone/a.png": picture(60), "Stone/b.png": picture(61)}
    folder = scans(tmp_path / "theirs", pictures | {"Stone/c.png": picture(62)})
    (folder / "Stone/c.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"^data/external/archive.zip: 1 of 4 images can't be read: Stone/c.png: .*"):
        run(folder)
    line = r"^data/external/index.csv: the same file under two classes: Cyst/a.png = Stone/a.png; remove the wrong ones"
    with pytest.raises(InputError, match=line):
        run(folder, preprocess__allow_corrupt=1)
    capsys.readouterr()
    run(folder, split__contradictory="drop")
    said = capsys.readouterr().out
    assert ", 1 that can't be read left out: see data/external/rejected.csv" in said
    assert said.endswith(", 2 that are filed under two classes left out\n")
    result = compared()
    assert (result["images"], result["left_out"]) == (1, {"unreadable": 1, "contradictory": 2})
    os.remove(folder / "Stone/b.png")
    with pytest.raises(InputError, match=r"^data/external/index.csv: split.contradictory: drop leaves no image"):
        run(folder)


def test_check_refuses_what_is_no_other_data(workspace, tmp_path):
    workspace(data__external="data/external/archive.zip")
    with pytest.raises(InputError, match=r"^params.yaml: data.external: found data/external/archive.zip, which is "):
        check.main()
    workspace(data__external=str(scans(tmp_path / "mine", {"Cyst/a.png": picture(60)})), data__source="mine")
    with pytest.raises(
        InputError, match=r"^params.yaml: data.external: found .*/mine, which is mine, data.source, that "
    ):
        check.main()
    workspace(data__external="none")
    check.main()
