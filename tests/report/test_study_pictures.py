"""A study's pictures and page: what they say, and the same bytes each time."""

import copy
import re

import numpy as np
import pandas as pd
import pytest
from outcomes import summary

from kidneyct.experiments import probe_charts, study_page
from kidneyct.pipeline import params
from kidneyct.probe import probe
from kidneyct.report import canvas

BASELINES = {"thumbnails": 0.77, "acquisition": 0.7, "acquisition, size": 0.71, "nearest thumbnail": 0.62}
STARTS = {"imagenet": 0.92, "imagenet, unit pixels": 0.93, "he": 0.86, "random": 0.86}


def estimate(value, low=-0.03, high=0.03):
    return {"value": value, "low": value + low, "high": value + high}


def result():
    """A study's probes as `starts.summarise` gives them."""
    curves = {part: -0.1 for part in probe.parts()} | {probe.ALL: 0}
    counts = {"images": 2177, "series": 152, "cuts": 20, "draws": 3, "curves": {"cuts": 2, "draws": 2}}
    return counts | {
        "models": {model: {"macro_auroc": estimate(value)} for model, value in (BASELINES | STARTS).items()},
        "contrasts": {"imagenet less random": {"macro_auroc": estimate(0.065)}},
        "blocks": {
            model: {part: estimate(value + less) for part, less in curves.items()} for model, value in STARTS.items()
        },
        "shares": {model: {"0.25": estimate(value - 0.05), "1": estimate(value)} for model, value in STARTS.items()},
        "draw_values": [0.85, 0.86, 0.87],
    }


@pytest.fixture
def table():
    """Six series by three models; the second stone and the first cyst get no more than a half from any."""
    values = {"nearest thumbnail": [0, 1, 0, 0.4, 0.9, 1], "random": [0.5, 0.6, 0.7, 0.2, 0.3, 1]}
    values["imagenet"] = [0.45, 0.9, 0.8, 0.5, 0.51, 0.9]
    of_class = ["Cyst", "Cyst", "Cyst", "Stone", "Stone", "Stone"]
    return pd.DataFrame({"first_image": list("abcdef"), "class": of_class, "images": 16} | values)


@pytest.fixture
def figure_of(monkeypatch):
    """Gives the figure that a function draws, without a file."""
    drawn = []
    monkeypatch.setattr(canvas, "save", lambda figure, path: drawn.append(figure))

    def figure(draw, *given):
        draw("any.png", *given)
        return drawn.pop()

    return figure


def labels(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_models_stand_in_their_groups_the_best_first_and_draws_behind_their_mean(figure_of):
    figure = figure_of(probe_charts.draw, result())
    forest, blocks, shares = figure.axes
    assert labels(forest) == [
        *("ImageNet, pixels/255", "ImageNet", "random, He's scale", "random weights"),
        *("thumbnails, linear", "grey values and size", "three grey values", "nearest thumbnail"),
    ]
    texts = [text.get_text() for text in forest.texts]
    assert texts[3] == "0.860  (0.83 to 0.89)"
    assert "chance" in texts
    assert any(np.array_equal(line.get_xdata(), [0.85, 0.86, 0.87]) for line in forest.lines)
    assert [label.get_text() for label in blocks.get_xticklabels()] == ["1", "2", "3", "4", "5", "all"]
    assert [label.get_text() for label in shares.get_xticklabels()] == ["25 %", "100 %"]
    np.testing.assert_allclose(blocks.lines[1].get_ydata(), [0.82] * 5 + [0.92])  # of ImageNet
    assert blocks.lines[1].get_color() == probe_charts.PRIMARY[0]
    assert sorted(text.get_text() for text in shares.texts) == sorted(labels(forest)[:4])


@pytest.mark.parametrize(
    ("value", "low", "high", "sentence"),
    [
        (0.065, 0.03, 0.1, "ImageNet's features are 6.5 points ahead of random ones, by whole series"),
        (-0.04, -0.07, -0.01, "ImageNet's features are 4.0 points behind random ones, by whole series"),
        (0.01, -0.03, 0.05, "ImageNet's features and random ones are equivalent within 5 points"),
        (0.04, -0.015, 0.095, "ImageNet's features against random ones: not settled, -1.5 to +9.5 points"),
    ],
)
def test_the_title_is_the_finding_in_the_words_of_the_plan(value, low, high, sentence):
    gap = {"macro_auroc": {"value": value, "low": low, "high": high}}
    contrasts = {"imagenet less random": gap, "imagenet less thumbnails": {}}
    assert probe_charts.finding({"contrasts": contrasts}) == sentence


def test_series_that_nobody_gets_are_counted_and_the_hardest_come_first(figure_of, table):
    assert probe_charts.unseen(table).tolist() == [True, False, False, True, False, False]
    figure = figure_of(probe_charts.heat, table)
    assert figure.get_suptitle() == "2 of 6 series get no more than chance (50 %) from any model"
    cyst, stone = figure.axes[:2]
    assert (cyst.get_xlabel(), stone.get_xlabel()) == ("Cyst\n3 series\n1 lost", "Stone\n3 series\n1 lost")
    assert labels(cyst) == ["lost", "ImageNet", "random weights", "nearest thumbnail"]
    np.testing.assert_allclose(cyst.images[0].get_array()[0], [0.45, 0.8, 0.9])  # the third is harder than the second
    assert [bar.get_x() + bar.get_width() / 2 for bar in cyst.patches] == [0]


def test_labels_are_moved_apart_as_little_as_can_be():
    np.testing.assert_allclose(probe_charts.spread([0.5, 0.9, 0.5], 0.1), [0.45, 0.9, 0.55])
    # As far down as up: 0.26 all.
    np.testing.assert_allclose(probe_charts.spread([0.3, 0.2, 0.28], 0.1), [0.36, 0.16, 0.26])


def test_the_pictures_have_the_same_bytes_and_fit_a_readme(size_of, table):
    assert size_of(lambda path: probe_charts.draw(path, result()))[0] == 1350
    assert size_of(lambda path: probe_charts.heat(path, table))[0] == 1350


@pytest.fixture(scope="module")
def study():
    whole = summary()
    again = copy.deepcopy(whole) | {"incomplete": ["later <arm>"], "pairs": {}}
    starts = {"imagenet": "imagenet", "stats": "/home/someone/stats.h5", "none": "none"}
    arms = {arm: {"weights": start} for arm, start in starts.items()}
    ways = {"by image": {"split.by": "image"}, "by series": {}}
    settings = {"settings": {}, "arms": arms, "splits": ways, "seeds": [0]}
    return {"study": settings, "splits": {"by image": whole, "by series": again}}


def test_the_forest_has_a_row_for_each_model_and_the_page_the_studys_numbers(study, size_of, tmp_path):
    # 4.2 inches a way of splitting and 2.2; twice 0.36 a row and 1.1, and 0.7: at 150 dots.
    size = (1590, round(150 * (2 * (0.36 * 4 + 1.1) + 0.7)))
    assert size_of(lambda path: study_page.forest(path, study["splits"])) == size
    page = study_page.page(study, params.validate().model_dump(), tmp_path / "first.png")
    row = re.search(r'<tr><th scope="row">stats</th>(.*?)</tr>', page, re.DOTALL)[1]
    cells = re.sub(r"<[^>]+>", " ", row).split()
    assert cells[0] == "87.5"
    assert "+12.5" in cells  # less the control's 75.0
    accuracy = study["splits"]["by image"]["arms"]["stats"]["against_control"]["accuracy"]
    assert f"{100 * accuracy['low']:+.1f} to {100 * accuracy['high']:+.1f}" in page
    assert "training accuracy 65.0 %; 2 collapsed; 1 untrained" in page
    assert "2 not stopped" in page
    assert "Left out, because not all of it has been run: later &lt;arm&gt;." in page
    assert not re.search(r"<arm>|url\(|@import|https?://|<script|/home/someone", page)
    assert "not for clinical use" in page
