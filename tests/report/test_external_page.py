"""The external test on the page and in its chart, against a run that had none."""

import re

import pandas as pd

from kidneyct.pipeline.roles import ROLES
from kidneyct.report import canvas, charts
from kidneyct.statistics import external


def text_of(markup):
    return " ".join(re.sub("<[^>]*>", " ", markup).split())


def section(page, name):
    return re.search(rf'<h2 id="{name}">.*?(?=<h2|</main>)', page, re.DOTALL)[0]


def test_without_an_external_test_the_page_says_so_in_a_line(run, written):
    page = written(run)
    assert '"external"' not in page
    assert 'href="#external"' not in page
    assert "One data set, one network, one size of picture. No external test." in text_of(page)
    assert "33 external testing None." in text_of(section(page, "claim"))


def test_the_page_tells_both_models_numbers_and_near_duplicates(tested, written):
    page = written(tested)
    assert "/home/someone" not in page
    text = text_of(section(page, "external"))
    assert "the images of theirs.zip, a set that is used for nothing else: 4 images of 3 series, inferred" in text
    assert "It holds no image of class Stone : there is no recall" in text.replace("Stone:", "Stone :")
    assert "2 more could not be read and were left out." in text
    assert "control (random weights) collapsed: one class only" in text
    # Series 0, 1, 2 have 2, 1 and 1 images; the control has those of 0 alone right.
    assert "accuracy 4 100.0 % 100.0 % to 100.0 % 50.0 % 0.0 % to 100.0 % +50.0 +0.0 to +100.0" in text
    assert "recall of Stone 0 none none none" in text
    assert "recall of Normal 1 100.0 % one series 0.0 % one series +100.0 one series" in text
    assert "With 3 series the intervals are too narrow" in text
    assert "2 of the 4 images (50.0 %) have a near-duplicate among the study's images, 2 among those that" in text
    assert "External series without a near-duplicate in the study: 1 image of 1 series." in text
    assert "look like the training images 75.0 %" in text
    assert "accuracy: nearest thumbnail (25 × 25, grey) 100.0 %" in text
    limits, claim = (text_of(section(page, name)) for name in ("limits", "claim"))
    assert "2 of the 4 external images have a near-duplicate in the study" in limits
    assert (
        "33 external testing 4 images of 3 series from theirs.zip, a set that is used for nothing else, none of class "
        "Stone: accuracy 100.0 % against 50.0 %, gap +50.0 points, 95 % interval over series +0.0 to +100.0. 2 of the "
        "images have a near-duplicate in the study, 2 in training: so far the test is not external."
    ) in claim


def test_the_chart_has_a_line_for_each_metric(tested, size_of):
    columns = ["metric", "role", "value", "low", "high", "own_test"]
    classes = {label: {"recall": 0.25} for label in tested.comparison["classes"]}
    own = {"accuracy": 0.5, "macro_f1": 0.4, "expected_calibration_error": 0.1, "brier_score": 0.2, "classes": classes}
    table = pd.DataFrame(external.beside(tested.external, dict.fromkeys(ROLES, own)), columns=columns)
    names = {role: role for role in ROLES}
    assert size_of(lambda path: canvas.save(charts.external(table, names), path)) == (1275, 984)
