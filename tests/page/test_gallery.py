"""The pictures that are written into the page."""

import base64
import io

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from kidneyct.maps import selection
from kidneyct.pipeline.errors import InputError
from kidneyct.report import gallery
from kidneyct.report.titles import MAPS


@pytest.fixture
def explained(run):
    """role -> the examples, then the mistakes."""
    return {
        role: [
            example
            for mistakes in (False, True)
            for example in selection.explained(run.table, run.predictions[role], run.images, run.maps[role], mistakes)
        ]
        for role in run.maps
    }


def opened(source):
    head, content = source.split(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_it_shows_examples_and_mistakes_of_both_models(explained):
    cards, left_out = gallery.cards(explained)
    assert left_out == 0
    assert [(card["role"], card["name"], card["right"]) for card in cards] == [
        ("candidate", "3.jpg", True),
        ("candidate", "7.jpg", True),
        ("candidate", "2.jpg", False),
        ("control", "3.jpg", True),
        ("control", "7.jpg", True),
        ("control", "2.jpg", False),
    ]
    assert [title for title, _ in cards[0]["tiles"]] == ["original", *MAPS.values()]
    assert all(opened(source).size == (40, 40) for _, source in cards[0]["tiles"])


def test_a_mistake_among_the_examples_is_shown_once(explained):
    twice = {role: [*shown, shown[0]] for role, shown in explained.items()}
    assert gallery.cards(twice) == gallery.cards(explained)


def test_an_empty_map_says_so(explained):
    example = explained["candidate"][0]
    empty = example._replace(maps={"gradcam": np.zeros((4, 4))})
    (card,), _ = gallery.cards({"candidate": [empty]})
    assert [title for title, _ in card["tiles"]] == ["original", "Grad-CAM (no evidence)"]


def test_what_is_too_large_is_left_out(explained, monkeypatch):
    sizes = [sum(len(source) for _, source in card["tiles"]) for card in gallery.cards(explained)[0]]
    monkeypatch.setattr(gallery, "ROOM", sizes[0] + sizes[1])
    cards, left_out = gallery.cards(explained)
    assert [card["name"] for card in cards] == ["3.jpg", "7.jpg"]
    assert left_out == 4


def test_a_wide_chart_is_made_smaller_and_keeps_its_colours(tmp_path):
    Image.new("RGB", (2100, 300), (0, 70, 139)).save(tmp_path / "chart.png")
    chart = gallery.chart(tmp_path / "chart.png")
    assert (chart["width"], chart["height"]) == (1400, 200)
    assert opened(chart["source"]).convert("RGB").getcolors() == [(1400 * 200, (0, 70, 139))]


def test_a_program_in_a_charts_place_is_not_run(tmp_path, monkeypatch):
    """Pillow hands such to Ghostscript, whatever the file is called."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("it was run"))
    (tmp_path / "chart.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\nshowpage\n%%EOF\n")
    with pytest.raises(InputError, match=r"chart\.png: expected a picture, found none \(cannot identify"):
        gallery.chart(tmp_path / "chart.png")
