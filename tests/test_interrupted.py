"""Stages that a real signal ends in the middle: what a later run makes of it, byte by byte.

`make chaos` does the same to all stages, at random moments.
"""

import os
import shutil
import signal
import subprocess

import keras
import numpy as np
import nursery
import pandas as pd
import pytest
import yaml
from tiny import ROOT, TINY

from stages import features, train

from kidneyct.backbone import devices, vgg

OUTPUTS = {
    "features": [f"data/features/candidate/{name}" for name in ("initial.weights.h5", "features.npy", "pooled.npy")],
    "train": [
        f"models/candidate/{name}" for name in ("model.weights.h5", "history.csv", "rates.csv", "predictions.csv")
    ],
}
# Saves after every batch and epoch, and sends itself a signal after some.
KILLED = """
import os, sys
from kidneyct.files import checkpoint
from stages import features, train

stage, number, after = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
save, saved = checkpoint.Checkpoint.save, []

def deadly(*given, **arrays):
    save(*given, **arrays)
    saved.append(given)
    if len(saved) == after:
        os.kill(os.getpid(), number)

checkpoint.SHARE = float("inf")
checkpoint.Checkpoint.save = deadly
{"features": features, "train": train}[stage].main("candidate")
"""


MORE = {  # what training can do beside the paper's, but the head's epochs alone, which want a block that trains
    "model": {"normalize": "features", "head": "average", "dropout": 0.5},
    "train": {"augment": "ct", "optimizer": "adamw", "weight_decay": 0.05, "label_smoothing": 0.1, "balance": "series"}
    | {"schedule": "cosine", "warmup_epochs": 1},
}


def project(folder):
    """What the two stages read: 100 images in four batches, and weights."""
    (folder / "data/images").mkdir(parents=True)
    shutil.copy(ROOT / "dvc.yaml", folder)
    settings = TINY | {section: TINY[section] | keys for section, keys in MORE.items()}
    settings["weights"] = str(folder / "start.weights.h5")
    (folder / "params.yaml").write_text(yaml.safe_dump(settings))
    images = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8)
    np.save(folder / "data/images/images.npy", images)
    labels = np.array(TINY["data"]["classes"])[np.arange(100) % 4]
    parts = np.where(np.arange(100) < 60, "train", np.where(np.arange(100) < 80, "validation", "test"))
    table = pd.DataFrame({"image": [f"{number}.png" for number in range(100)], "label": labels, "split": parts})
    table.to_csv(folder / "data/split.csv", index=False)
    table[["image"]].assign(series=np.arange(100) // 4).to_csv(folder / "data/series.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A project in which both stages ran undisturbed."""
    folder = project(tmp_path_factory.mktemp("undisturbed") / "project")
    devices.prepare(seed=0)
    vgg.base(32).save_weights(folder / "start.weights.h5")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for stage in (features, train):
            run(stage)
    return folder


def run(stage):
    """As in a process of its own: Keras counts the layers that it names."""
    keras.utils.clear_session()
    stage.main("candidate")


KILLS = [  # stage, signal, the number of savings after which it comes, and what the next run says
    ("features", signal.SIGTERM, 2, "features of the candidate: goes on at image 65 of 100"),
    ("train", signal.SIGKILL, 2, "goes on at epoch 3 of 3, learning rate 0.001"),
]


@pytest.mark.parametrize(("stage", "number", "after", "line"), KILLS)
def test_a_killed_stage_ends_as_if_nothing_had_happened(
    undisturbed, tmp_path, monkeypatch, capsys, stage, number, after, line
):
    folder = project(tmp_path / "project")
    shutil.copy(undisturbed / "params.yaml", folder)
    if stage == "train":
        shutil.copytree(undisturbed / "data/features", folder / "data/features")
    environment = nursery.ENVIRONMENT | os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    command = [nursery.python(), "-c", KILLED, stage, str(int(number)), str(after)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == -number, done.stderr
    left = [path for path in OUTPUTS[stage] if (folder / path).exists()]
    assert left == ["models/candidate/history.csv"] * (stage == "train")  # which grows by epoch
    monkeypatch.chdir(folder)
    run({"features": features, "train": train}[stage])
    assert line in capsys.readouterr().out
    for path in OUTPUTS[stage]:
        assert (folder / path).read_bytes() == (undisturbed / path).read_bytes(), path
    assert list((folder / ".unfinished").iterdir()) == []
