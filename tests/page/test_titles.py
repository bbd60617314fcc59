"""What starts and models are called."""

import pytest

from kidneyct.report import titles


@pytest.mark.parametrize(
    ("weights", "blocks", "name", "words"),
    [
        ("imagenet", 5, "candidate (imagenet)", "ImageNet's weights"),
        ("/a/b.h5", 5, "candidate (b.h5)", "b.h5"),
        (
            "imagenet",
            3,
            "candidate (imagenet, 3 of 5 blocks)",
            "ImageNet's weights (in the first 3 blocks alone, Keras's random ones in the others)",
        ),
        (
            "b.h5",
            1,
            "candidate (b.h5, 1 of 5 blocks)",
            "b.h5 (in the first block alone, Keras's random ones in the others)",
        ),
        ("none", 3, "candidate (random weights)", "random weights"),
        ("imagenet", 0, "candidate (random weights)", "random weights"),
    ],
)
def test_starts_and_models(weights, blocks, name, words):
    assert titles.models(weights, blocks) == {"candidate": name, "control": "control (random weights)"}
    assert titles.start(titles.actual(weights, blocks), blocks) == words
