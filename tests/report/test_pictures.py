"""Pictures: maps as colours, charts, the gallery, and that the user's own settings of Matplotlib change nothing."""

import base64
import functools
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from kidneyct.maps.selection import Example
from kidneyct.pipeline.roles import ROLES
from kidneyct.report import canvas, charts, gallery, heat, panels, titles
from kidneyct.report.report import explained, figures
from kidneyct.statistics import external


def test_headings_name_what_was_kept_and_what_collapsed(run, monkeypatch):
    model = run.parameters["model"] | {"transferred_blocks": 3}
    evaluations = run.evaluations | {"control": run.evaluations["control"] | {"collapsed": True, "untrained": True}}
    rates = run.rates["control"]
    rates = pd.concat([rates.assign(learning_rate=0.0001, kept=0), rates.assign(learning_rate=0.01)])
    other = run._replace(
        parameters=run.parameters | {"model": model}, evaluations=evaluations, rates=run.rates | {"control": rates}
    )
    curves = charts.learning_curves(run.histories.values(), ROLES).axes[0].lines
    assert [curve.get_xydata().tolist() for curve in curves if curve.get_markersize() == 10] == [[[2, 0.75]]] * 2
    for module, name in ((charts, "confusion_pair"), (charts, "learning_curves"), (panels, "explanations")):
        monkeypatch.setattr(module, name, lambda *given: given[-1])
    drawn = dict(figures(other))
    first, second = "candidate (imagenet, 3 of 5 blocks)", "control (random weights)"
    assert drawn["comparison"] == [
        f"{first}\naccuracy 87.50% of 8 test images",
        f"{second}\naccuracy 50.00% of 8 test images, collapsed, untrained",
    ]
    assert drawn["curves"] == [f"{first}, learning rate 0.001", f"{second}, learning rate 0.01"]
    assert drawn["explanations_control"] == "Model of the control, collapsed, untrained"


SETTINGS = "text.usetex: True\nfont.size: 40\naxes.facecolor: red\nsavefig.facecolor: blue\nbackend: qtagg\n"
DRAW = "import sys; from kidneyct.report import canvas as c; f = c.figure(2, 2); f.suptitle(1); c.save(f, sys.argv[1])"


def test_the_users_settings_change_nothing(tmp_path):
    """With Jupyter's MPLBACKEND and a matplotlibrc."""
    (tmp_path / "matplotlibrc").write_text(SETTINGS)
    own = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "MATPLOTLIBRC": str(tmp_path)}
    for name, settings in {"expected": {}, "found": own}.items():
        call = [sys.executable, "-c", DRAW, tmp_path / f"{name}.png"]
        subprocess.run(call, env=os.environ | {"PYTHONPATH": "src"} | settings, check=True)
    assert (tmp_path / "found.png").read_bytes() == (tmp_path / "expected.png").read_bytes()
    words = ("import matplotlib", "from matplotlib")
    importing = {path.name for path in Path("src").rglob("*.py") if any(word in path.read_text() for word in words)}
    assert importing == {"canvas.py"}  # so its settings are first, whatever is imported


def test_empty_maps_and_unknown_classes_are_drawn(size_of):
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    zeros = {"saliency": np.zeros((64, 64)), "gradcam": np.zeros((4, 4))}
    unknown = Example("$a$.png", images[0], None, "Stone", 0.51, zeros)
    figure = panels.explanations([unknown], "$a$.png: Stone")
    assert size_of(functools.partial(canvas.save, figure)) == (1125, 517)


def test_the_chart_has_a_line_for_each_metric(tested, size_of):
    columns = ["metric", "role", "value", "low", "high", "own_test"]
    classes = {label: {"recall": 0.25} for label in tested.comparison["classes"]}
    own = {"accuracy": 0.5, "macro_f1": 0.4, "expected_calibration_error": 0.1, "brier_score": 0.2, "classes": classes}
    table = pd.DataFrame(external.beside(tested.external, dict.fromkeys(ROLES, own)), columns=columns)
    names = {role: role for role in ROLES}
    assert size_of(lambda path: canvas.save(charts.external(table, names), path)) == (1275, 984)


def test_a_fine_map_is_shown_by_itself_and_a_coarse_one_over_its_image():
    assert np.ptp(heat.colours(np.zeros((2, 2)), (4, 4)), axis=(0, 1)).tolist() == [0, 0, 0]
    values = np.arange(100.0).reshape(10, 10)
    assert heat.top(values, (10, 10)) == 98.01  # 99 % of the way from 0 to 99
    assert heat.top(values, (20, 20)) == 99
    image = np.full((6, 6, 3), 200, np.uint8)
    picture = heat.picture(image[:2, :2], np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert picture.dtype == np.uint8
    # inferno begins at 0.0015, 0.0005, 0.0139 and ends at 0.9884, 0.9984, 0.6449
    assert picture[0].tolist() == [[0, 0, 4], [252, 255, 164]]
    # 55 % of (252.0, 254.6, 164.5) and 45 % of 200
    assert np.unique(heat.picture(image, np.ones((2, 2))).reshape(-1, 3), axis=0).tolist() == [[229, 230, 180]]


def opened(source):
    head, content = source.split(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_the_gallery_shows_examples_and_mistakes_of_both_models_once(run, monkeypatch):
    shown = {role: [*explained(run, role), *explained(run, role, mistakes=True)] for role in run.maps}
    cards, left_out = gallery.cards({role: [*of_role, of_role[0]] for role, of_role in shown.items()})
    assert left_out == 0
    assert [(card["role"], card["name"], card["right"]) for card in cards] == [
        (role, name, right)
        for role in ("candidate", "control")
        for name, right in (("3.jpg", True), ("7.jpg", True), ("2.jpg", False))
    ]
    assert list(cards[0]["tiles"]) == ["original", *titles.MAPS.values()]
    assert all(opened(source).size == (40, 40) for source in cards[0]["tiles"].values())
    empty = shown["candidate"][0]._replace(maps={"gradcam": np.zeros((4, 4))})
    (card,), _ = gallery.cards({"candidate": [empty]})
    assert list(card["tiles"]) == ["original", "Grad-CAM (no evidence)"]

    sizes = [sum(map(len, card["tiles"].values())) for card in cards]
    monkeypatch.setattr(gallery, "ROOM", sizes[0] + sizes[3])
    cards, left_out = gallery.cards(shown)
    assert ([(card["role"], card["name"]) for card in cards], left_out) == ([(role, "3.jpg") for role in ROLES], 4)


def test_a_wide_chart_is_made_smaller_and_keeps_its_colours(tmp_path):
    Image.new("RGB", (2100, 300), (0, 70, 139)).save(tmp_path / "chart.png")
    chart = gallery.chart(tmp_path / "chart.png")
    assert (chart["width"], chart["height"]) == (1400, 200)
    assert opened(chart["source"]).convert("RGB").getcolors() == [(1400 * 200, (0, 70, 139))]
