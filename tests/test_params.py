"""params.yaml: what is accepted, and the line that each mistake gets."""

import re
from pathlib import Path

import pytest
import yaml

from kidneyct import params, yaml12
from kidneyct.errors import InputError


def written(tmp_path, changes):
    """The project's params.yaml with some dotted keys changed, or added; None stands for removal."""
    values = yaml12.read("params.yaml")
    for key, value in changes.items():
        *sections, name = key.split(".")
        target = values
        for section in sections:
            target = target[section]
        target[name] = value
        if value is None:
            del target[name]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize(
    ("changes", "key", "found", "allowed"),
    [
        ({"seed": -1}, "seed", "-1", "whole number from 0"),
        ({"seed": 2**32}, "seed", "4294967296", "to 4294967294"),
        ({"split.seed": 2**32 - 1}, "split.seed", "4294967295", "to 4294967294"),
        ({"seed": True}, "seed", "True", "whole number from 0"),
        ({"weights": 3}, "weights", "3", "imagenet, imagenet-stats, none, photographs, or the path"),
        ({"model.frozen_blocks": 6}, "model.frozen_blocks", "6", "from 0 to 5"),
        ({"preprocess.image_size": "200"}, "preprocess.image_size", "'200'", "from 32 to 1024"),
        ({"split.test": 1.5}, "split.test", "1.5", "above 0 and below 1"),
        ({"split.test": 0.9}, "split.test", "0.9", "together stay below 1"),
        ({"split.by": "patient"}, "split.by", "'patient'", "image or series"),
        ({"split.folds": 3, "split.fold": 3}, "split.fold", "3", "below split.folds"),
        ({"series.similarity": 1}, "series.similarity", "1", "below 1"),
        ({"train.fraction": 0}, "train.fraction", "0", "above 0 up to 1"),
        ({"train.learning_rate": 0}, "train.learning_rate", "0", "above 0"),
        ({"train.learning_rate": []}, "train.learning_rate", "[]", "a number above 0, or a list"),
        ({"train.learning_rate": [0.1, 0.1]}, "train.learning_rate", "[0.1, 0.1]", "list of different ones"),
        ({"train.learning_rate": [0.1, "x"]}, "train.learning_rate", "[0.1, 'x']", "a number above 0"),
        ({"model.transferred_blocks": 6}, "model.transferred_blocks", "6", "from 0 to 5"),
        ({"model.normalize": "batch"}, "model.normalize", "'batch'", "none or features"),
        ({"train.precision": "float16"}, "train.precision", "'float16'", "mixed_bfloat16"),
        ({"data.classes": ["Cyst", "Cyst"]}, "data.classes", "['Cyst', 'Cyst']", "different names"),
        ({"data.classes": ["Cyst"]}, "data.classes", "['Cyst']", "two or more different names"),
        ({"data.kaggle": "kidney"}, "data.kaggle", "'kidney'", "owner/name"),
        ({"train.epochs": None}, "train.epochs", "nothing", "whole number from 1"),
        ({"train.epoch": 3}, "train.epoch", "unknown key", "epochs, train.batch_size"),
        ({"wieghts": "none"}, "wieghts", "unknown key", "weights, seed"),
    ],
)
def test_a_mistake_is_one_line_with_key_found_and_allowed(tmp_path, changes, key, found, allowed):
    path = written(tmp_path, changes)
    with pytest.raises(InputError) as caught:
        params.validate(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(f"{path}: {key}: ")
    assert found in line
    assert allowed in line


def test_every_mistake_is_told(tmp_path):
    with pytest.raises(InputError) as caught:
        params.validate(written(tmp_path, {"seed": -1, "train.epochs": 0}))
    assert len(str(caught.value).splitlines()) == 2


def test_classes_may_be_called_as_metrics_and_columns_are(tmp_path):
    names = ["accuracy", "label", "01", "no"]
    assert params.validate(written(tmp_path, {"data.classes": names})).data.classes == names


def test_numbers_are_read_as_dvc_writes_them(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"learning_rate: \S+", "learning_rate: 1e-05", Path("params.yaml").read_text()))
    assert params.validate(path).train.learning_rate == 1e-5


def test_not_yaml_and_missing_file(tmp_path):
    path = tmp_path / "params.yaml"
    with pytest.raises(InputError, match=r"params\.yaml: expected in the folder"):
        params.validate(path)
    for text in ("seed: [1", "seed: 1\nseed: 1", "[" * 5000, f"seed: {'1' * 5000}"):
        path.write_text(text)
        with pytest.raises(InputError, match="not valid YAML") as caught:
            params.validate(path)
        assert "\n" not in str(caught.value)


def test_a_stage_sees_its_declared_keys_only(tmp_path):
    asked = {
        "model.dense_units": 1024,
        "model.frozen_blocks": 5,
        "model.pixel_scaling": "unit",
        "model.normalize": "none",
    }
    p = params.load("evaluate", written(tmp_path, asked))
    assert vars(p.model) == {name.removeprefix("model."): value for name, value in asked.items()}
    assert not hasattr(p, "train")
