"""A whole study on tiny phantom data with the real DVC: killed in the middle, gone on with, pooled."""

import json
import os
import signal
import subprocess
from collections import Counter

import dvc.api
import pandas as pd
import pytest
from tiny import clone

from kidneyct.files import index


def start(project):
    """`kidneyct study` in a process group of its own, its lines to be read as they come."""
    environment = project.environment | {"PYTHONPATH": str(project.folder / "src")}
    options = {"env": environment, "start_new_session": True, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([project.python, "-m", "kidneyct", "study"], cwd=project.folder, **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The project, what the command said after it had been killed during its second run, and study.json."""
    project = clone(tmp_path_factory.mktemp("study") / "clone")
    file = project.folder.parent / "start.weights.h5"
    (project.folder / "study.yaml").write_text(
        f"arms: {{file: {{weights: {file}}}}}\n"
        "splits: {by series: {split.by: series, split.folds: 2, split.validation: 0.2}}\n"
        "seeds: [0]\n"
    )
    project.edit({"model": {"normalize": "features"}})
    project.commit()
    running = start(project)
    for line in running.stdout:
        if line.startswith("now study-file-by-series-1-0-"):
            break
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    resumed = start(project)
    said, _ = resumed.communicate()
    assert resumed.returncode == 0, said
    return project, said, json.loads(project.read("metrics/study.json"))


def test_it_goes_on_where_it_was_killed(study):
    project, said, _ = study
    assert said.startswith("now study-file-by-series-1-0-")
    assert said.endswith("plots/study.csv  plots/study.png\nmetrics/study.json\n")
    assert project.run("git", "status", "--short").split() == ["M", "metrics/study.json"]
    plan = project.run(project.python, "-m", "kidneyct", "study", "--plan")
    assert plan.endswith("2 runs, 0 of them to do\n")
    logs = "".join(path.read_text() for path in (project.folder / ".study").glob("*.log"))
    assert logs.count("> python -m stages.train control\n") == 2  # once a fold
    assert "stages.explain" not in logs  # a study wants no map
    assert not list((project.folder / ".study").glob("base-*"))  # not that of the killed one either


def test_the_folds_are_pooled_and_told(study):
    project, _, result = study
    split = result["splits"]["by series"]
    assert (split["images"], split["series"]) == (48, 16)  # every image and every patient once
    assert split["controls"].keys() == {"control"}
    listed = project.run("git", "for-each-ref", "refs/exps", "--format=%(refname) %(objectname)").splitlines()
    runs = dict(line.split() for line in listed)
    for arm, told in split["arms"].items():
        right, images = Counter(), 0
        for revision in (revision for name, revision in runs.items() if f"/study-{arm}-by-series-" in name):
            files = [f"metrics/{name}.json" for name in ("headline", "comparison/comparison")]
            shown = [json.loads(dvc.api.read(file, repo=str(project.folder), rev=revision)) for file in files]
            images += shown[1]["images"]
            right.update({role: shown[0][role]["accuracy"] * shown[1]["images"] for role in ("candidate", "control")})
        assert images == 48
        assert told["accuracy"]["value"] == pytest.approx(right["candidate"] / 48, abs=1e-5)
        assert split["controls"]["control"]["accuracy"]["value"] == pytest.approx(right["control"] / 48, abs=1e-5)
        assert told["learning_rates"] == {"0.001": 2}
        assert told["runs"] == 2
    table = pd.read_csv(project.folder / "plots/study.csv")
    assert set(table["model"]) == {"file", "control", *index.BASELINES}
    assert (project.folder / "plots/study.png").read_bytes()[1:4] == b"PNG"
    assert str(project.folder.parent) not in project.read("metrics/study.json")  # nothing of its maker's folders
