"""Drawing: the same bytes each time, sizes, and maps of zeros."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kidneyct.page import figures
from kidneyct.results import calibration


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"image": ["Cyst/a.png", "Stone/b.png"], "label": ["Cyst", "Stone"]})
    images = generator.integers(0, 256, (2, 64, 64, 3), np.uint8)
    maps = {
        "rows": np.array([1, 0, 0]),
        "mistake": np.array([0, 0, 1]),
        "predicted": np.array([1, 1, 1]),
        "probability": np.array([0.9, 0.51, 0.51]),
        "saliency": np.stack([generator.random((64, 64)), np.zeros((64, 64)), np.ones((64, 64))]),
        "gradcam": np.stack([generator.random((4, 4)), np.zeros((4, 4)), np.ones((4, 4))]),
    }
    wrong = figures.explained(table, ["Cyst", "Stone"], images, maps, mistakes=True)
    assert [row.name for row in wrong] == ["a.png"]
    return figures.explained(table, ["Cyst", "Stone"], images, maps)


def test_rows_name_the_images_of_the_maps(rows):
    assert [(row.name, row.label, row.predicted) for row in rows] == [
        ("b.png", "Stone", "Stone"),
        ("a.png", "Cyst", "Stone"),
    ]


def test_scaling_to_the_maximum_leaves_zeros_alone():
    assert figures.to_unit(np.array([0.0, 1.0, 4.0])).tolist() == [0, 0.25, 1]
    assert figures.to_unit(np.zeros(3)).tolist() == [0, 0, 0]
    assert figures.to_unit(np.array([0.0, 1.0, 2.0, 100.0]), percentile=200 / 3).tolist() == [0, 0.5, 1, 1]


def test_pictures_have_the_same_bytes_and_the_planned_size(tmp_path, rows):
    matrix = np.array([[3, 1], [0, 4]])
    bins = calibration.reliability([0, 1], np.array([[0.9, 0.1], [0.7, 0.3]]))
    cascade = pd.DataFrame(
        [
            (method, step, 1 / (place + 1) ** power)
            for power, method in enumerate(figures.TITLES)
            for place, step in enumerate(["trained", "scores", "block5"])
        ],
        columns=["method", "step", "correlation"],
    )
    drawings = {
        "explanations.png": lambda path: figures.explanations(path, rows, "Model"),
        "pairs.png": lambda path: figures.explanation_pairs(path, [(row, row) for row in rows], ("a", "b")),
        "confusion.png": lambda path: figures.confusion_pair(path, [matrix, matrix], ["x", "y"], ("a", "b")),
        "reliability.png": lambda path: figures.reliability_pair(path, [bins, bins], ("a", "b")),
        "cascade.png": lambda path: figures.randomization_chart(path, [cascade], ["a"], 0.5),
    }
    sizes = {}
    for name, draw in drawings.items():
        draw(tmp_path / name)
        first = (tmp_path / name).read_bytes()
        draw(tmp_path / name)
        assert (tmp_path / name).read_bytes() == first
        assert b"Software" not in first
        sizes[name] = Image.open(tmp_path / name).size
    assert sizes == {
        "explanations.png": (1125, 817),
        "pairs.png": (1725, 817),
        "confusion.png": (1575, 735),
        "reliability.png": (1575, 1080),
        "cascade.png": (780, 630),
    }
