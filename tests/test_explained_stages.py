"""What is explained and measured are test images of one run."""

import shutil

import numpy as np
import pandas as pd
import pytest

from stages import explain

from kidneyct.pipeline import params
from kidneyct.pipeline.errors import InputError
from kidneyct.pipeline.roles import ROLES


def test_predictions_of_other_images_are_one_line_before_a_network_is_loaded(tmp_path, monkeypatch):
    classes = params.validate().data.classes
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"image": [f"{label}/0.png" for label in classes], "label": classes, "split": "test"})
    predicted = table[["image", "label"]].assign(predicted=classes)
    for name in ("data/images", *(f"models/{role}" for role in ROLES)):
        (tmp_path / name).mkdir(parents=True)
    np.save("data/images/images.npy", np.zeros((len(table), 32, 32, 3), np.uint8))
    table.to_csv("data/split.csv", index=False)
    for role in ROLES:
        predicted.to_csv(f"models/{role}/predictions.csv", index=False)
    path = "models/control/predictions.csv"
    for others, line in (
        (predicted[:-1], f"a line for each of the {len(table)} images of the test part of data/split.csv, found 3"),
        (predicted[::-1], "the images of the test part of data/split.csv in its order, found others"),
    ):
        others.to_csv(path, index=False)
        with pytest.raises(InputError, match=f"^{path}: expected {line}; bring it back with dvc checkout {path}"):
            explain.main("control")
