"""The split: sizes, proportions, and where it can't be made."""

import numpy as np
import pandas as pd
import pytest

from kidneyct import split
from kidneyct.errors import InputError

PUBLISHED = {"Cyst": 3709, "Normal": 5077, "Stone": 1377, "Tumor": 2283}


def test_the_papers_test_set_has_2489_images():
    labels = np.repeat(list(PUBLISHED), list(PUBLISHED.values()))
    parts = split.by_image(labels, test=0.2, validation=0.1, seed=0)
    assert [np.sum(parts == part) for part in split.PARTS] == [8712, 1245, 2489]
    # 0.2 of 3709, 5077, 1377 and 2283 are 741.8, 1015.4, 275.4 and 456.6.
    counts = [np.sum(parts[labels == label] == "test") for label in PUBLISHED]
    assert counts == [742, 1015, 275, 457]


def test_the_seed_alone_decides():
    labels = ["a", "b"] * 50
    first, again, other = (split.by_image(labels, 0.2, 0.1, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("labels", "test", "line"),
    [(["a"] * 50 + ["b"], 0.2, r"split\.\w+: .*add images"), (["a"] * 50 + ["b"] * 3, 0.04, "class b")],
)
def test_too_few_images_of_a_class(labels, test, line):
    with pytest.raises(InputError, match=line) as caught:
        split.by_image(labels, test, 0.1, seed=0)
    assert "\n" not in str(caught.value)


def test_rows_codes_and_examples():
    table = pd.DataFrame({"label": list("abab") * 3, "split": ["test"] * 8 + ["train", "validation", "train", "train"]})
    assert split.rows(table, "train").tolist() == [8, 10, 11]
    assert split.codes(table, ["b", "a"]).tolist() == [1, 0] * 6
    assert split.examples(table, ["b", "a"], 9).tolist() == [1, 3, 5, 7, 0, 2, 4, 6]
    picked = split.examples(table, ["a", "b"], 2).tolist()
    assert set(picked[:2]) <= {0, 2, 4, 6}
    assert set(picked[2:]) <= {1, 3, 5, 7}
    assert len(set(picked)) == 4
