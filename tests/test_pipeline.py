"""The whole pipeline on tiny phantom data, in a throw-away clone, with the real DVC."""

import json

import numpy as np
import pandas as pd
import pytest
from tiny import TINY, clone

from kidneyct.data import archive, phantom
from kidneyct.maps.methods import METHODS
from kidneyct.roles import ROLES

TRAINED = ("train", "evaluate", "evaluate_external", "explain", "measure")


def stages_run(output):
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def both(*stages):
    return {f"{stage}@{role}" for stage in stages for role in ROLES}


def elsewhere(path):
    """An external test set: other patients, none with a stone, and an image of the study's own."""
    study = phantom.members(tuple(TINY["data"]["classes"]), 4, 3, seed=0)
    others = phantom.members(("Cyst", "Normal", "Tumor"), 2, 3, seed=7)
    planted = next(content for name, content in study if name.startswith(f"{archive.ROOT}/Cyst/"))
    images = [member for member in others if member[0].startswith(archive.ROOT)]
    archive.write(path, [*images, (f"{archive.ROOT}/Cyst/planted.jpg", planted)])
    return str(path)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = clone(tmp_path_factory.mktemp("pipeline") / "clone")
    project.edit({"data": {"external": elsewhere(project.folder.parent / "external.zip")}})
    output = project.log = project.dvc("repro")
    assert both("initialize", "features", *TRAINED) < stages_run(output)
    project.commit()
    return project


def test_every_result_is_there_and_adds_up(project):
    index = pd.read_csv(project.folder / "data/index.csv")
    assert index["label"].value_counts().to_dict() == dict.fromkeys(("Cyst", "Normal", "Stone", "Tumor"), 12)
    parts = pd.read_csv(project.folder / "data/split.csv")["split"]
    assert parts.value_counts().to_dict() == {"train": 24, "validation": 12, "test": 12}
    for role in ROLES:
        metrics = json.loads(project.read(f"metrics/{role}/evaluation.json"))
        predictions = pd.read_csv(project.folder / f"plots/{role}/predictions.csv")
        assert metrics["accuracy"] == pytest.approx((predictions["label"] == predictions["predicted"]).mean(), abs=1e-6)
        assert predictions.filter(like="probability of ").sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
        history = pd.read_csv(project.folder / f"plots/{role}/history.csv")
        assert history["epoch"].iloc[0] == 1
        assert history[history["kept"] == 1]["val_loss"].tolist() == [history["val_loss"].min()]
    comparison = json.loads(project.read("metrics/comparison.json"))["accuracy"]
    assert comparison["gap"] == pytest.approx(comparison["candidate"] - comparison["control"], abs=1e-6)
    own = {f"{role}/{name}" for role in ROLES for name in ("explanations", "mistakes", "randomisation")}
    for name in own | {"calibration", "comparison", "curves", "explanations", "leakage"}:
        assert (project.folder / f"plots/{name}.png").read_bytes()[1:4] == b"PNG"


def test_both_models_are_tested_on_images_from_elsewhere(project):
    found = json.loads(project.read("metrics/external.json"))
    assert (found["images"], found["missing_classes"]) == (19, ["Stone"])
    assert found["near_duplicates"]["same_file"] == 1
    planted = pd.read_csv(project.folder / "plots/external/images.csv").set_index("image").loc["Cyst/planted.jpg"]
    hashes = [
        pd.read_csv(project.folder / f"data/{name}.csv").set_index("image")["sha256"]
        for name in ("index", "external/index")
    ]
    assert hashes[0][planted["study"]] == hashes[1]["Cyst/planted.jpg"]
    headline = json.loads(project.read("metrics/headline.json"))["external"]
    own = {role: pd.read_csv(project.folder / f"plots/{role}/predictions.csv").set_index("image") for role in ROLES}
    for role in ROLES:
        table = pd.read_csv(project.folder / f"plots/{role}/external/predictions.csv").set_index("image")
        accuracy = found["models"][role]["accuracy"]["value"]
        assert accuracy == pytest.approx((table["label"] == table["predicted"]).mean(), abs=1e-6)
        assert found["models"][role]["recall"]["Stone"] is None
        assert headline["accuracy"][role] == accuracy
        if planted["study"] in own[role].index:  # a test image has the same probabilities there
            columns = table.columns[2:]
            expected = own[role].loc[planted["study"], columns].to_numpy(float)
            assert table.loc["Cyst/planted.jpg", columns].to_numpy(float) == pytest.approx(expected, abs=1e-5)
    page = project.read("plots/report.html")
    assert "Both models on the images of external.zip, a set that is used for nothing else: 19 images" in page


def test_the_headline_fits_on_a_screen(project):
    shown = json.loads(project.dvc("metrics", "show", "--json"))[""]["data"]
    assert set(shown) == {"metrics/headline.json", *(f"metrics/{role}/best_map.json" for role in ROLES)}
    table = project.dvc("metrics", "diff", "--all", "HEAD")
    lines = [line for line in table.splitlines() if " external." not in line]  # there where such a test is
    assert len(lines) <= 30
    for role in ROLES:
        accuracy = json.loads(project.read(f"metrics/{role}/evaluation.json"))["accuracy"]
        assert shown["metrics/headline.json"]["data"][role]["accuracy"] == accuracy


def test_the_log_is_the_projects_own(project):
    """Of TensorFlow's notices nothing is left; what the stages say is there."""
    assert not [line for line in project.log.splitlines() if "port.cc" in line or "cuda" in line or "absl" in line]
    assert "training of the control: tensorflow on" in project.log


def test_the_maps_are_measured_and_the_page_says_so(project):
    page = project.read("plots/report.html")
    for role in ROLES:
        maps = np.load(project.folder / f"data/maps/{role}.npz")
        assert maps["saliency"].shape == (4 + maps["mistake"].sum(), 32, 32)  # an image of each class, and a mistake
        found = json.loads(project.read(f"metrics/{role}/maps.json"))
        assert found["images"] == 2
        assert tuple(found["maps"]) == METHODS
        for method in METHODS:
            assert 0 <= found["maps"][method]["insertion"]["value"] <= 1
            assert 0 < found["maps"][method]["focus"]["body"]["value"] <= 1
        cascade = pd.read_csv(project.folder / f"plots/{role}/randomisation.csv")
        assert cascade["step"].unique().tolist()[:3] == ["trained", "scores", "dense"]
        accuracy = json.loads(project.read(f"metrics/{role}/evaluation.json"))["accuracy"]
        assert f"accuracy {100 * accuracy:.2f} %" in page
        best = json.loads(project.read(f"metrics/{role}/best_map.json"))
        assert best["method"] == "none" or best["road"] == found["maps"][best["method"]]["road"]["value"]
    lesions = found["maps"]["saliency"]["localisation"]  # of a phantom's cyst; the other measured image is a normal one
    assert lesions["images"] == 1
    assert 0 < lesions["energy"]["chance"] < 0.5


def test_a_second_repro_runs_nothing(project):
    assert "Data and pipelines are up to date." in project.dvc("repro")
    assert project.run("git", "status", "--short") == ""


def test_a_change_reruns_only_what_reads_it(project):
    """Directly concerned stages; what follows from their outputs comes after."""
    concerned = {
        "train": ({"learning_rate": 0.01}, both("train")),
        "split": ({"seed": 5}, {"split"}),
        "explain": ({"images_per_class": 2}, both("explain")),
        "model": ({"dense_units": 8}, both(*TRAINED)),
    }
    for section, (change, stages) in concerned.items():
        project.edit({section: change})
        status = json.loads(project.dvc("status", "--json"))
        changed = {
            stage
            for stage, reasons in status.items()
            for reason in reasons
            if isinstance(reason, dict) and "params.yaml" in reason.get("changed deps", {})
        }
        assert changed == stages | {"check", "report"}
        project.run("git", "checkout", "-q", "params.yaml")


EDITS = {  # what is edited -> what reads it, but for the page, which comes after everything
    "src/kidneyct/page/charts.py": {"draw"},
    "src/kidneyct/page/templates/limits.html": set(),
    "src/kidneyct/data/examples.py": both("explain", "measure") | {"draw"},
    "src/kidneyct/data/split.py": {"split", "preprocess_external"},
    "src/kidneyct/params.py": {"check"},
    "src/kidneyct/results/verdict.py": {"compare"},
}


@pytest.mark.parametrize("path", EDITS)
def test_an_edit_of_the_code_concerns_only_what_it_can_change(project, path):
    """Directly concerned stages; what follows from their outputs comes after, where these change."""
    file = project.folder / path
    before = file.read_text()
    file.write_text(before + "\n")
    changed = {
        stage
        for stage, reasons in json.loads(project.dvc("status", "--json")).items()
        for reason in reasons
        if isinstance(reason, dict) and path in reason.get("changed deps", {})
    }
    file.write_text(before)
    assert changed - {"report"} == EDITS[path]


def test_another_learning_rate_and_way_of_splitting_recompute_no_feature(project):
    changes = ("-S", "train.learning_rate=0.01", "-S", "split.by=series")
    output = project.dvc("exp", "run", "--temp", "-n", "series", *changes, "leakage", "train@candidate")
    assert stages_run(output) == {"check", "split", "leakage", "train@candidate"}
    names = ["metrics", "diff", "HEAD", "series", "--targets", "metrics/leakage.json", "--json"]
    leak = json.loads(project.dvc(*names))["metrics/leakage.json"]["near_duplicates.share"]
    assert leak["new"] == 0
    assert leak["old"] > 0.5  # the slices of a patient fell on both sides


def test_two_forced_runs_leave_the_lock_unchanged(project):
    before = project.read("dvc.lock")
    # Those whose results are computed on several threads; `make repeat` runs all of them, and elsewhere too.
    stages = ("preprocess", *(f"{stage}@candidate" for stage in ("initialize", "features", "train", "measure")))
    output = project.dvc("repro", "--force", "--no-run-cache", "--single-item", *stages)
    assert stages_run(output) == set(stages)
    assert project.read("dvc.lock") == before


def test_a_mistake_in_params_is_one_line_even_where_nothing_reads_it(project):
    project.edit({"train": {"epoch": 3}})
    output = project.dvc("repro", fails=True)
    project.run("git", "checkout", "-q", "params.yaml")
    assert "error: params.yaml: train.epoch: unknown key" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("source", ["data/archive.zip", "link.zip"])
def test_dvc_removes_no_data_of_the_users(project, source):
    """It removes a stage's outputs before the stage can look at them; so `check` comes before `download`."""
    archive, link = project.folder / "data/archive.zip", project.folder / "link.zip"
    before = archive.read_bytes()
    link.symlink_to("data/archive.zip")
    project.edit({"data": {"source": source}})
    output = project.dvc("repro", "download", fails=True)
    link.unlink()
    project.run("git", "checkout", "-q", "params.yaml")
    assert f"error: params.yaml: data.source: found {source}, which is data/archive.zip" in output
    assert archive.read_bytes() == before
