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


def cells(page, arm):
    """The text of the first row of a model."""
    row = re.search(rf'<tr><th scope="row">{arm}</th>(.*?)</tr>', page, re.DOTALL)[1]
    return re.sub(r"<[^>]+>", " ", row).split()


def test_the_numbers_are_the_studys(page, result):
    stats = result["splits"]["by image"]["arms"]["stats"]
    assert cells(page, "stats")[0] == "87.5"
    assert "+12.5" in cells(page, "stats")  # less the control's 75.0
    low, high = (stats["against_control"]["accuracy"][end] for end in ("low", "high"))
    assert f"{100 * low:+.1f} to {100 * high:+.1f}" in page
    assert "training accuracy 65.0 %; 2 collapsed; 1 untrained" in page
    assert "2 not stopped" in page


def test_what_is_left_out_is_named_and_nothing_is_told_of_its_maker(page):
    assert "Left out, because not all of it has been run: later &lt;arm&gt;." in page
    assert "<arm>" not in page
    assert not re.search(r"url\(|@import|https?://|<script", page)
    assert "/home/someone" not in page
    assert "not for clinical use" in page


def test_the_forest_has_a_row_for_each_model(result, size_of):
    # 4.2 inches a way of splitting and 2.2; twice 0.36 a row and 1.1, and 0.7: at 150 dots.
    size = (1590, round(150 * (2 * (0.36 * 4 + 1.1) + 0.7)))
    assert size_of(lambda path: study_page.forest(path, result["splits"])) == size
