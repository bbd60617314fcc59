"""The page and the forest plot of a study."""

import copy
import re

import pytest
from outcomes import summary

from kidneyct.experiments import study_page
from kidneyct.pipeline import params

STARTS = {"imagenet": "imagenet", "stats": "/home/someone/stats.h5", "none": "none"}


@pytest.fixture(scope="module")
def result():
    whole = summary()
    again = copy.deepcopy(whole) | {"incomplete": ["later <arm>"], "pairs": {}}
    return {
        "study": {
            "settings": {},
            "arms": {arm: {"weights": start} for arm, start in STARTS.items()},
            "splits": {"by image": {"split.by": "image"}, "by series": {}},
            "seeds": [0],
        },
        "splits": {"by image": whole, "by series": again},
    }


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "forest.png"
    study_page.forest(path, result["splits"])
    return study_page.page(result, params.validate().model_dump(), path)


def test_the_numbers_are_the_studys_and_what_is_left_out_is_named(page, result):
    row = re.search(r'<tr><th scope="row">stats</th>(.*?)</tr>', page, re.DOTALL)[1]
    cells = re.sub(r"<[^>]+>", " ", row).split()
    assert cells[0] == "87.5"
    assert "+12.5" in cells  # less the control's 75.0
    accuracy = result["splits"]["by image"]["arms"]["stats"]["against_control"]["accuracy"]
    assert f"{100 * accuracy['low']:+.1f} to {100 * accuracy['high']:+.1f}" in page
    assert "training accuracy 65.0 %; 2 collapsed; 1 untrained" in page
    assert "2 not stopped" in page
    assert "Left out, because not all of it has been run: later &lt;arm&gt;." in page
    assert not re.search(r"<arm>|url\(|@import|https?://|<script|/home/someone", page)
    assert "not for clinical use" in page


def test_the_forest_has_a_row_for_each_model(result, size_of):
    # 4.2 inches a way of splitting and 2.2; twice 0.36 a row and 1.1, and 0.7: at 150 dots.
    size = (1590, round(150 * (2 * (0.36 * 4 + 1.1) + 0.7)))
    assert size_of(lambda path: study_page.forest(path, result["splits"])) == size
