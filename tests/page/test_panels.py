"""Pictures made of images: the same bytes each time, and their sizes."""

import numpy as np
import pandas as pd
import pytest

from kidneyct.maps.selection import Example
from kidneyct.report import panels


@pytest.fixture
def examples():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2, 64, 64, 3), np.uint8)
    maps = {"saliency": generator.random((64, 64)), "gradcam": generator.random((4, 4))}
    zeros = {method: np.zeros_like(values) for method, values in maps.items()}
    return [
        Example("b.png", images[1], "Stone", "Stone", 0.9, maps),
        Example("$a$.png", images[0], "Cyst", "Stone", 0.51, zeros),
    ]


def test_a_row_for_each_example(size_of, examples):
    assert size_of(lambda path: panels.explanations(path, examples, "Model")) == (1125, 817)


def test_an_image_of_unknown_class_is_drawn_too(size_of, examples):
    unknown = [examples[0]._replace(label=None)]
    assert size_of(lambda path: panels.explanations(path, unknown, "b.png: Stone")) == (1125, 517)


def test_no_example_is_said_in_words(size_of):
    assert size_of(lambda path: panels.explanations(path, [], "Mistakes")) == (900, 240)


def test_both_models_side_by_side(size_of, examples):
    pairs = [(example, example) for example in examples]
    assert size_of(lambda path: panels.explanation_pairs(path, pairs, ["a", "b"])) == (1725, 817)


def test_test_images_above_training_images(size_of):
    table = pd.DataFrame({"image": [f"x/{row}.png" for row in range(4)], "label": list("xyxx")})
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    pairs = pd.DataFrame({"test": [0, 2], "training": [1, 3], "correlation": [0.99, 0.5]})
    size = size_of(lambda path: panels.leakage_pairs(path, pairs, table, images, np.arange(4)))
    assert size == (1560, 1065)
