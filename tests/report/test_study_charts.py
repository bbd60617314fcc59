"""The pictures of a study: what they say, and the same bytes each time."""

import numpy as np
import pandas as pd
import pytest
from outcomes import summary

from kidneyct.experiments import charts
from kidneyct.probe import probe
from kidneyct.report import canvas

BASELINES = {"thumbnails": 0.77, "acquisition": 0.7, "acquisition, size": 0.71, "nearest thumbnail": 0.62}
STARTS = {"imagenet": 0.92, "imagenet, unit pixels": 0.93, "he": 0.86, "random": 0.86}
CURVED = ("imagenet", "random")


def estimate(value, low=-0.03, high=0.03):
    return {"value": value, "low": value + low, "high": value + high}


def result():
    """A study's probes as `starts.summarise` gives them."""
    curves = {part: -0.1 for part in probe.parts()} | {probe.ALL: 0}
    return {
        "images": 2177,
        "series": 152,
        "cuts": 20,
        "draws": 3,
        "curves": {"cuts": 2, "draws": 2},
        "models": {model: {"macro_auroc": estimate(value)} for model, value in (BASELINES | STARTS).items()},
        "contrasts": {"imagenet less random": {"macro_auroc": estimate(0.065)}},
        "blocks": {model: {part: estimate(STARTS[model] + less) for part, less in curves.items()} for model in CURVED},
        "shares": {model: {"0.25": estimate(0.8), "1": estimate(STARTS[model])} for model in CURVED},
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
    figure = figure_of(charts.draw, result())
    forest, blocks, shares = figure.axes
    assert labels(forest) == [
        *("ImageNet, pixels/255", "ImageNet", "random, He's scale", "random weights"),
        *("thumbnails, linear", "grey values and size", "three grey values", "nearest thumbnail"),
    ]
    texts = [text.get_text() for text in forest.texts]
    assert texts[3] == "86.0  (83.0 to 89.0)"
    assert "chance" in texts
    assert any(np.array_equal(line.get_xdata(), [0.85, 0.86, 0.87]) for line in forest.lines)
    assert [label.get_text() for label in blocks.get_xticklabels()] == ["1", "2", "3", "4", "5", "all"]
    assert [label.get_text() for label in shares.get_xticklabels()] == ["25 %", "100 %"]
    np.testing.assert_allclose(blocks.lines[0].get_ydata(), [0.82] * 5 + [0.92])  # of ImageNet
    assert blocks.lines[0].get_color() == charts.PRIMARY_STYLE[0]
    assert [text.get_text() for text in shares.get_legend().get_texts()] == ["ImageNet", "random weights"]
    assert figure.get_suptitle() == "ImageNet is better than random weights: +6.5 (+3.5 to +9.5) points of macro AUROC"
    assert figure_of(charts.forest, {"cut": summary()}).axes[0].get_title() == "cut\n8 images of 4 series"


def test_series_that_nobody_gets_are_counted_and_the_hardest_come_first(figure_of, table):
    figure = figure_of(charts.heat, table)
    assert figure.get_suptitle() == "2 of 6 series get no more than chance (50 %) from any model"
    cyst, stone = figure.axes[:2]
    assert (cyst.get_xlabel(), stone.get_xlabel()) == ("Cyst\n3 series\n1 lost", "Stone\n3 series\n1 lost")
    assert labels(cyst) == ["lost", "ImageNet", "random weights", "nearest thumbnail"]
    np.testing.assert_allclose(cyst.images[0].get_array()[0], [0.45, 0.8, 0.9])  # the third is harder than the second
    assert [bar.get_x() + bar.get_width() / 2 for bar in cyst.patches] == [0]


def test_the_pictures_have_the_same_bytes_and_fit_a_readme(size_of, table):
    assert size_of(lambda path: charts.heat(path, table))[0] == 1350
    # 4.2 inches a way of splitting and 2.2; thrice 0.36 a row, of three arms and a control, and 1.1, and 0.7.
    size = (round(150 * 10.6), round(150 * (3 * (0.36 * 4 + 1.1) + 0.7)))
    assert size_of(lambda path: charts.forest(path, dict.fromkeys(("by image", "by series"), summary()))) == size
