"""The whole pipeline on tiny phantom data, written as DICOM, in a throw-away clone, with the real DVC."""

import json
import shutil

import numpy as np
import pandas as pd
import pydicom
import pytest
from tiny import TINY, clone

from kidneyct.maps.methods import METHODS
from kidneyct.pipeline.roles import ROLES
from kidneyct.sources import phantom

TRAINED = ("train", "explain")


def stages_run(output):
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def both(*stages):
    return {f"{stage}@{role}" for stage in stages for role in ROLES}


def scans(folder, *generated):
    """What `phantom.write_scans` writes, in files that name their patients wherever DICOM may."""
    phantom.write_scans(folder / "SECRET", *generated)
    for number, path in enumerate(sorted(folder.glob("SECRET/[!m]*/*/*"))):
        data = pydicom.dcmread(path)
        data.PatientID = data.PatientName = f"SECRET {data.PatientID}"
        data.PatientBirthDate = data.StudyDate = "19770707"
        data.StudyInstanceUID, data.SOPInstanceUID = f"1.2.77{data.StudyInstanceUID[-9:]}", f"1.2.77.{number}"
        data.SeriesDescription = data.InstitutionName = "SECRET"
        data.private_block(0x0009, "SECRET CREATOR", create=True).add_new(1, "LO", "SECRET")
        data.save_as(path)
    return folder


def elsewhere(folder, planted):
    """An external test set: other patients, none with a stone, and a file of the study's own."""
    scans(folder, ("Cyst", "Normal", "Tumor"), 2, 3, 7)
    shutil.copy(planted, folder / "SECRET/Cyst/planted")
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = clone(tmp_path_factory.mktemp("pipeline") / "clone")
    own, other = (project.folder.parent / name for name in ("own", "other"))
    scans(own, tuple(TINY["data"]["classes"]), 4, 3, 0)
    elsewhere(other, own / "SECRET/Cyst/Cyst-1/IM0001")
    project.edit({"data": {"source": str(own), "external": str(other)}})
    output = project.log = project.dvc("repro")
    assert both("features", "probe", *TRAINED) < stages_run(output)
    project.commit()
    return project


def test_every_result_is_there_and_adds_up(project):
    index = pd.read_csv(project.folder / "data/images/index.csv")
    assert index["label"].value_counts().to_dict() == dict.fromkeys(("Cyst", "Normal", "Stone", "Tumor"), 12)
    parts = pd.read_csv(project.folder / "data/split.csv")["split"]
    assert parts.value_counts().to_dict() == {"train": 24, "validation": 12, "test": 12}
    for role in ROLES:
        metrics = json.loads(project.read(f"metrics/comparison/{role}/evaluation.json"))
        predictions = pd.read_csv(project.folder / f"models/{role}/predictions.csv")
        assert metrics["accuracy"] == pytest.approx((predictions["label"] == predictions["predicted"]).mean(), abs=1e-6)
        assert predictions.filter(like="probability of ").sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
        history = pd.read_csv(project.folder / f"models/{role}/history.csv")
        assert history["epoch"].iloc[0] == 1
        assert history[history["kept"] == 1]["val_loss"].tolist() == [history["val_loss"].min()]
    comparison = json.loads(project.read("metrics/comparison/comparison.json"))["accuracy"]
    assert comparison["gap"] == pytest.approx(comparison["candidate"] - comparison["control"], abs=1e-6)
    own = {f"{name}_{role}" for role in ROLES for name in ("explanations", "mistakes", "randomisation")}
    others = {"calibration", "comparison", "curves", "explanations", "external", "leakage", "similarity"}
    pictures = {path.stem: path for path in (project.folder / "plots/pictures").iterdir()}
    assert pictures.keys() == own | others
    assert {path.read_bytes()[1:4] for path in pictures.values()} == {b"PNG"}


def test_nobody_is_named_in_anything_that_it_writes(project):
    """Scans are pseudonymous from the archive on; the terminal may name files, and does."""
    assert "/own: 48 CT slices of 16 patients, by PatientID" in project.log
    assert "masks of no file" not in project.log
    tops = ("data", "metrics", "models", "plots", "records", ".dvc")
    written = [path for top in tops for path in (project.folder / top).rglob("*") if path.is_file()]
    assert len(written) > 100
    root = pydicom.uid.PYDICOM_ROOT_UID.encode()
    for path in [*written, project.folder / "dvc.lock"]:
        assert "SECRET" not in str(path)
        content = path.read_bytes()
        for word in (b"SECRET", b"Phantom^", b"19770707", b"1.2.77", root):
            assert word not in content, (path, word)


def test_both_models_are_tested_on_images_from_elsewhere(project):
    found = json.loads(project.read("metrics/comparison/external.json"))
    assert (found["images"], found["missing_classes"], found["series_are"]) == (19, ["Stone"], "known")
    assert found["near_duplicates"]["same_file"] == 1
    shared = pd.read_csv(project.folder / "data/external/images.csv").set_index("image").query("same_file == 1")
    name, planted = shared.index[0], shared.iloc[0]
    hashes = [
        pd.read_csv(project.folder / f"data/{name}.csv").set_index("image")["sha256"]
        for name in ("images/index", "external/index")
    ]
    assert hashes[0][planted["study"]] == hashes[1][name]
    own = {role: pd.read_csv(project.folder / f"models/{role}/predictions.csv").set_index("image") for role in ROLES}
    for role in ROLES:
        table = pd.read_csv(project.folder / f"data/external/{role}.csv").set_index("image")
        accuracy = found["models"][role]["accuracy"]["value"]
        assert accuracy == pytest.approx((table["label"] == table["predicted"]).mean(), abs=1e-6)
        assert found["models"][role]["recall"]["Stone"] is None
        if planted["study"] in own[role].index:  # a test image has the same probabilities there
            columns = table.columns[2:]
            expected = own[role].loc[planted["study"], columns].to_numpy(float)
            assert table.loc[name, columns].to_numpy(float) == pytest.approx(expected, abs=1e-5)
        assert found["probe"][role]["series"]["count"] == found["series"]
    page = " ".join(project.read("plots/report.html").split())
    assert "Both models on the images of other, a set that is used for nothing else: 19 images" in page


def test_the_headline_fits_on_a_screen(project):
    shown = json.loads(project.dvc("metrics", "show", "--json"))[""]["data"]
    assert set(shown) == {"metrics/headline.json"}
    assert len(project.dvc("metrics", "diff", "--all", "HEAD").splitlines()) <= 2 + 12  # two lines of a header
    for role in ROLES:
        accuracy = json.loads(project.read(f"metrics/comparison/{role}/evaluation.json"))["accuracy"]
        assert shown["metrics/headline.json"]["data"][role]["accuracy"] == accuracy


def test_the_log_is_the_projects_own(project):
    """Of TensorFlow's notices nothing is left; what the stages say is there."""
    assert not [line for line in project.log.splitlines() if "port.cc" in line or "cuda" in line or "absl" in line]
    assert "training of the control: tensorflow on" in project.log


def test_the_maps_are_measured_and_the_page_says_so(project):
    page = project.read("plots/report.html")
    for role in ROLES:
        maps = np.load(project.folder / f"data/maps/{role}/maps.npz")
        assert maps["saliency"].shape == (4 + maps["mistake"].sum(), 32, 32)  # an image of each class, and a mistake
        found = json.loads(project.read(f"data/maps/{role}/maps.json"))
        assert found["images"] == 1
        assert tuple(found["maps"]) == METHODS
        for method in METHODS:
            assert 0 <= found["maps"][method]["insertion"]["value"] <= 1
            assert 0 < found["maps"][method]["focus"]["body"]["value"] <= 1
        cascade = pd.read_csv(project.folder / f"data/maps/{role}/randomisation.csv")
        assert cascade["step"].unique().tolist()[:3] == ["trained", "scores", "dense"]
        accuracy = json.loads(project.read(f"metrics/comparison/{role}/evaluation.json"))["accuracy"]
        assert f"accuracy {100 * accuracy:.2f} %" in page
    lesions = found["maps"]["saliency"]["localisation"]  # of a phantom's cyst
    assert lesions["images"] == 1
    assert 0 < lesions["energy"]["chance"] < 0.5


def test_the_notebook_opens_the_run(project, monkeypatch):
    monkeypatch.chdir(project.folder / "docs")
    cells = json.loads(project.read("docs/finished-run.ipynb"))["cells"]
    names = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["headline"]["candidate"]["accuracy"] == (names["predictions"].eval("label == predicted")).mean().round(
        6
    )
    assert list(names["pictures"])[1:] == ["saliency", "smoothgrad", "gradcam"]


def test_a_second_repro_runs_nothing(project):
    assert "Data and pipelines are up to date." in project.dvc("repro")
    assert project.run("git", "status", "--short") == ""


CHANGES = {  # what is changed in params.yaml -> what reads it, but for the check and the page
    ("train", "learning_rate", 0.01): both("train"),
    ("split", "seed", 5): {"split"},
    ("explain", "images_per_class", 2): both("explain"),
    ("model", "dense_units", 8): both(*TRAINED) | {"external"},
}
EDITS = {  # what is edited -> what reads it, but for the page, which comes after everything
    "src/kidneyct/report/templates/limits.html": set(),
    "src/kidneyct/maps/selection.py": both("explain"),
    "src/kidneyct/probe/probe.py": both("probe") | {"leakage", "external", "compare"},
    "src/kidneyct/training/training.py": both("train"),
    "src/kidneyct/statistics/verdict.py": {"compare"},
}


def test_a_change_concerns_only_what_reads_it(project):
    """Directly concerned stages; what follows from their outputs comes after, where these change."""
    project.edit({section: {name: value} for section, name, value in CHANGES})
    for path in EDITS:
        with (project.folder / path).open("a") as file:
            file.write("\n")
    changed = [
        (dep, stage)
        for stage, reasons in json.loads(project.dvc("status", "--json")).items()
        for reason in reasons
        if isinstance(reason, dict)
        for path, keys in reason.get("changed deps", {}).items()
        for dep in (keys if isinstance(keys, dict) else [path])  # sections or keys of params.yaml
    ]
    project.run("git", "checkout", "-q", "params.yaml", "src")
    for (section, name, _), stages in CHANGES.items():
        readers = {stage for dep, stage in changed if f"{section}.{name}.".startswith(f"{dep}.")}
        assert readers == stages | {"report"}
    for path, stages in EDITS.items():
        assert {stage for dep, stage in changed if path.startswith(dep)} - {"report"} == stages
    assert ("params.yaml", "check") in changed


def test_another_learning_rate_and_way_of_splitting_recompute_no_feature(project):
    changes = ("-S", "train.learning_rate=0.01", "-S", "split.by=series")
    output = project.dvc("exp", "run", "--temp", "-n", "series", *changes, "leakage", "train@candidate")
    assert stages_run(output) == {"check", "split", "leakage", "train@candidate"}
    names = ["metrics", "diff", "HEAD", "series", "--targets", "metrics/leakage/leakage.json", "--json"]
    leak = json.loads(project.dvc(*names))["metrics/leakage/leakage.json"]["near_duplicates.share"]
    assert leak["new"] == 0
    assert leak["old"] > 0.5  # the slices of a patient fell on both sides


def test_two_forced_runs_leave_the_lock_unchanged(project):
    before = project.read("dvc.lock")
    # What computes on several threads; test_interrupted and test_measure run others again, `make repeat` all.
    stages = ("preprocess", "leakage", "probe@candidate")
    output = project.dvc("repro", "--force", "--no-run-cache", "--single-item", *stages)
    assert stages_run(output) == set(stages)
    assert project.read("dvc.lock") == before


def test_a_mistake_in_params_is_one_line_even_where_nothing_reads_it(project):
    project.edit({"train": {"epoch": 3}})
    output = project.dvc("repro", fails=True)
    project.run("git", "checkout", "-q", "params.yaml")
    assert "error: params.yaml: train.epoch: unknown key" in output
    assert "Traceback" not in output


def test_dvc_removes_no_data_of_the_users(project):
    """It removes a stage's outputs before the stage can look at them; so `check` comes before `download`."""
    archive, link = project.folder / "data/archive.zip", project.folder / "link.zip"
    before = archive.read_bytes()
    link.symlink_to("data/archive.zip")
    project.edit({"data": {"source": "link.zip"}})
    output = project.dvc("repro", "download", fails=True)
    link.unlink()
    project.run("git", "checkout", "-q", "params.yaml")
    assert "error: params.yaml: data.source: found link.zip, which is data/archive.zip" in output
    assert archive.read_bytes() == before
