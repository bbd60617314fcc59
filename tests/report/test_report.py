"""The page of a run: its numbers, its words, and how it behaves in a browser."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import chromium
import numpy as np
import pandas as pd
import pytest

from kidneyct.report import report
from kidneyct.statistics import verdict


class Outline(HTMLParser):
    """Tags with their attributes in order, and the text without the pictures."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.words.append(text)


@pytest.fixture(scope="module")
def page(run, written):
    return written(run)


def changed(run, **sections):
    """The run with other parameters, each section's changes a dictionary or a value."""
    merged = {
        name: run.parameters[name] | values if isinstance(values, dict) else values for name, values in sections.items()
    }
    return run._replace(parameters=run.parameters | merged)


def section(page, name):
    """The page from one heading of the second level to the next."""
    return re.search(rf'<h2 id="{name}">.*?(?=<h2|</main>)', page, re.DOTALL)[0]


def words(page, name=""):
    """The text of the page, or of one of its sections."""
    return Outline(section(page, name) if name else page).text


def rows(markup, label=""):
    """Each table row's cells as text, of all tables or of the one with a label."""
    if label:
        markup = re.search(rf'aria-label="{label}".*?</table>', markup, re.DOTALL)[0]
    found = [re.findall(r"(?s)<t[hd].*?>(.*?)</t[hd]>", row) for row in re.findall("(?s)<tr>(.*?)</tr>", markup)]
    return [[" ".join(re.sub("<.*?>", " ", cell).split()) for cell in row] for row in found]


def test_the_answer_and_the_numbers_are_the_runs(run, page):
    text = words(page)
    for sentence in (
        verdict.verdict(run.comparison, run.leakage["accuracy"]),
        "accuracy 87.5 % 50.0 % +37.5 +12.5 to +50.0 +12.5 to +75.0",
        "2 (candidate), none, it knows one class only (control).",
        "Stone 2 1 +50.0 none: one series 1 0 1.000",
        "8, inferred: thumbnails that correlate above 0.95, of neighbours in number above 0.7, and",
        "predict the same class 62.5 % 25.0 % 0.50 right or wrong on the same images 62.5 % 50.0 % 0.25",
        "Cyst 4 2 1 (1) 1 (1) 2 (1) 0 (0)",
        "1 and 4 test images are classified wrongly",
        "The control kept epoch 2 of 3: training accuracy 90.0 %, validation accuracy 75.0 %.",
        "One learning rate was tried, 0.001, the same for both models.",
        "The control's probe of block 1 kept the strongest penalty tried: a stronger one may",
        "with 6 series, 89 % with 20",
    ):
        assert sentence in text
    for word in ("collapsed", "untrained", "not stop early", "leaves no room", "could not be read", "Rand", "all 5"):
        assert word not in text
    assert "slices in training" not in section(page, "limits")
    assert [cells[1:] for cells in rows(page, "Baselines")[1:]] == [
        *(["25.0 %", "12.5 %"], ["62.5 %", "37.5 %"], ["50.0 %", "30.0 %"], ["45.0 %", "20.0 %"], ["47.5 %", "22.0 %"]),
        *(["87.5 %", ""], ["50.0 %", ""]),
    ]
    assert rows(section(page, "confusion"))[1] == ["Cyst", "1 50 %", "0 0 %", "0 0 %", "1 50 %"]
    assert [" ".join(line) for line in rows(section(page, "probe"))[1:]] == [
        "block 1 50.0 % 50.0 % +0.0 0.830 0.765 +6.5",
        "all blocks 62.5 % 62.5 % +0.0 0.930 0.865 +6.5",
    ]


def test_it_is_one_file_that_can_be_read_by_all(run, page, written):
    tags = Outline(page).tags
    links = [values[key] for _, values in tags for key in ("src", "href", "data", "action") if key in values]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"url\(|@import|fetch\(|https?://", page)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in page
    assert len(page) < 5_000_000
    assert "/home/someone" not in page  # a page that is sent on says nothing of its maker's folders
    assert written(run) == page

    assert ("html", {"lang": "en"}) in tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(pictures) > 30
    assert all(len(attributes["alt"]) > 10 for attributes in pictures)
    names = {attributes["id"] for _, attributes in tags if "id" in attributes}
    assert {attributes["href"][1:] for tag, attributes in tags if tag == "a"} <= names
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")


def test_measured_maps_are_marked_by_their_verdicts_and_what_was_not_measured_is_left_out(run, page, written):
    line = ["better", "worse", "level", "", "", "", "better", "worse"]
    for role, last, left in (("candidate", "", "0.10 2 images"), ("control", "worse", "0.70 2 images uninformative")):
        table = re.search(rf'aria-label="Measured maps of the {role}.*?</table>', page, re.DOTALL)[0]
        assert re.findall(r"<td(?: class=\"(\w+)\")?>", table) == [*line, last] * len(run.measured[role]["maps"])
        assert {cells[-1] for cells in rows(table)[1:]} == {left}
        assert rows(table)[1][1] == "0.50 0.30 to 0.70 chance 0.30"

    tree = run.measured["control"]
    maps = {
        method: {name: part for name, part in values.items() if name != "localisation"}
        for method, values in tree["maps"].items()
    }
    maps["gradcam"] = maps["gradcam"] | {"randomisation": {"images": 0}}
    page = written(run._replace(measured=dict.fromkeys(run.measured, tree | {"images": 1, "maps": maps})))
    assert "control (random weights), 1 test image</caption>" in page
    (grad_cam,) = (cells for cells in rows(page, "Measured maps of the control") if cells[0] == "Grad-CAM")
    assert grad_cam[-1] == "no map to compare"
    assert len(grad_cam) == 1 + 6 + 1
    assert "on the lesion" not in section(page, "explanations")


def test_what_was_measured_and_what_not_decides_what_is_said(run, written):
    """Sentences by what a run's numbers are: each case changes some, and names what the page then says."""
    leakage, comparison = run.leakage, run.comparison
    crossing = leakage | {"series": leakage["series"] | {"crossing": 3}, "rejected_images": 3}
    alike = comparison["agreement"] | {"same_class": {"observed": 1.0, "expected": 1.0}}
    one_class = {"all blocks": {"edge": "untuned", "accuracy": 0.5, "series": {"count": 1}}}
    unjudged = {name: value for name, value in comparison.items() if name != "probe"}
    dropped = run.table.assign(split=["dropped", *run.table["split"][1:]])
    for changes, sentences in (
        (
            {"leakage": crossing, "table": dropped},
            [
                "3 of the 4 series in the test part have slices in training too.",
                "unit scaling; 3 more could not be read and were left out",
                "15 images included, 4 excluded.",
                "Cyst 4 2 0 (0) 1 (1) 2 (1) 1 (1)",
            ],
        ),
        (
            {"comparison": comparison | {"agreement": alike, "series": 1}},
            ["predict the same class 100.0 % 100.0 % none right", "leaves no room.", "images come from one series"],
        ),
        (
            {"probes": dict.fromkeys(run.probes, one_class), "comparison": unjudged | {"series": 39}},
            [
                "The test series are of one class, so no probe can be judged by series.",
                "all blocks 50.0 % 50.0 % +0.0 none none none",
                "The control's probe of all blocks is not tuned: a class has one image in training.",
                "come from 39 series. With so few",
            ],
        ),
    ):
        text = words(written(run._replace(**changes)))
        for sentence in sentences:
            assert sentence in text
    enough = written(run._replace(comparison=comparison | {"series": 40}))
    assert "The test images come from" not in words(enough, "limits")


TRAINED = {"optimizer": "adamw", "weight_decay": 0.05, "head_epochs": 5, "schedule": "cosine", "warmup_epochs": 2}
TRAINED |= {"augment": "ct", "label_smoothing": 0.1, "balance": "series", "fraction": 0.25}


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {"split": {"by": "series", "folds": 5, "fold": 2}, "data": {"source": "kaggle", "kaggle": "a/b/3"}}
            | {"train": TRAINED, "model": {"head": "average", "dropout": 0.5, "normalize": "none"}},
            [
                "test part 2 (from 0) of 5 parts",
                "Images 16 from Kaggle, a/b/3; each squeezed to",
                "5 of its 5 blocks frozen, then each channel's mean over all positions, then dense layers of",
                "AdamW, weight decay 0.05, the head alone for 5 epochs at 0.001, then learning rate 0.001, falling to "
                "0 along a cosine after a rise over 2 epochs, batches of 100, slices turned, shifted, zoomed and "
                "changed in their grey values, differently each time, dropout 0.5 of the dense layer, labels "
                "smoothed by 0.1, classes, and series within a class, weighing the same, at most 30 epochs",
            ],
        ),
        (
            {"model": {"normalize": "features", "transferred_blocks": 3}, "split": {"test": 0.2, "seed": 7}},
            [
                "test 20 %; validation",
                "initial weights and what follows from them: the channels' means and variances",
                "starts from ImageNet's weights (in the first 3 blocks alone, Keras's random ones in the others) than",
                "Only 3 of the candidate's 5 blocks got the start's weights",
            ],
        ),
        (
            {"weights": "photographs", "series": {"neighbours": "none"}},
            [
                "does not answer for ImageNet",
                "8, inferred: thumbnails that correlate above 0.95 and identical files belong together",
            ],
        ),
        (
            {"weights": "/somewhere/<b>mine&.h5", "data": {"source": "phantom"}},
            [
                "Nothing on this page is about patients.",
                "starts from the weights of <b>mine&.h5 than from random weights?",
            ],
        ),
    ],
)
def test_the_protocol_follows_from_the_parameters(run, written, changes, sentences):
    page = written(changed(run, **changes))
    assert "<b>" not in page
    text = words(page)
    for sentence in sentences:
        assert sentence in text
    assert ("those of Oxford's VGG, CC BY 4.0 (Simonyan & Zisserman 2015)" in text) == ("weights" not in changes)


def test_learning_rates_tried_and_kept(run, written):
    """A list of rates; the candidate keeps the first, the control the second, unfinished; the third failed."""
    rates = {"learning_rate": [0.0001, 0.01], "epochs": 3, "kept_epoch": [2, 3], "val_loss": [1.0, 1.25]}
    rates = pd.DataFrame(rates | {"val_accuracy": [0.75, 0.5], "stopped": [1, 0], "edge": ["lowest", "none"]})
    tried = {"candidate": rates.assign(kept=[1, 0]), "control": rates.assign(val_loss=[1.5, 1.25], kept=[0, 1])}
    page = written(changed(run, train={"learning_rate": [0.0001, 0.01, 10]})._replace(rates=tried))
    training = section(page, "training")
    assert rows(training, "Learning rates of the candidate")[1:] == [
        ["0.0001 kept, the lowest", "1.000", "75.0 %", "2 of 3", "yes"],
        ["0.01", "1.250", "50.0 %", "3 of 3", "no"],
        ["10", "left out: the loss was not a number"],
    ]
    assert [cells[0] for cells in rows(training, "Learning rates of the control")[1:3]] == ["0.0001", "0.01 kept"]
    assert "Epochs run: 3 and 3, learning rate kept: 0.0001 and 0.01 (candidate and control)" in words(page)
    for name in ("training", "limits"):
        text = words(page, name)
        assert text.count("The candidate kept the lowest of the learning rates tried: a lower one may be better.") == 1
        assert text.count("The control's training did not stop early (lowest validation loss at epoch 3 of 3)") == 1
        assert "The control kept the" not in text
        assert "candidate's training did not" not in text


def test_a_model_that_lost_its_way_is_marked_where_its_numbers_stand(run, written):
    marks = {"collapsed": "collapsed: one class only", "untrained": "untrained: hardly knows its training images"}
    for flag, mark in marks.items():
        lost = run.evaluations["control"] | {flag: True, "training_accuracy": 0.3}
        predictions = run.predictions | {"control": run.predictions["control"].assign(predicted="Stone")}
        page = written(run._replace(evaluations=run.evaluations | {"control": lost}, predictions=predictions))
        head = Outline(page[: page.index("<nav")]).text
        assert ("it predicts Stone for every test image, so its accuracy" in head) == (flag == "collapsed")
        assert ("untrained: it took 30.0 % of its own training images" in head) == (flag == "untrained")
        comparison = section(page, "comparison")
        assert rows(comparison)[0][2] == f"control (random weights) {mark}"
        captions = re.findall(r"<caption>(.*?)</caption>", comparison, re.DOTALL)
        assert [caption.endswith(f"loss 1.330; {mark}") for caption in captions[-2:]] == [False, True]
        assert rows(page, "Baselines")[-1][0] == f"control (random weights) {mark}"
        assert section(page, "confusion").count(f"; {mark}. Rows") == 1


def test_the_page_says_where_known_series_come_from(run, written):
    agreement = {"known": 8, "inferred": 9, "adjusted_rand_index": 0.875, "purity": 0.9375}
    series = run.leakage["series"] | {"origin": "known", "inference": agreement, "mixed": 1}
    near = run.leakage["near_duplicates"] | {"across_series": {"share": 0.25, "images": 2}}
    leakage = run.leakage | {"series": series, "near_duplicates": near}
    for table, told in {"published": "itself inferred,", "/home/someone/mine.csv": "mine.csv"}.items():
        known = written(changed(run, series={"table": table}, split={"by": "series"})._replace(leakage=leakage))
        assert "/home/someone" not in known
        assert f"{told} says which patient or scan each image is of; 1 of them with images of" in words(known)
    assert "2 test images have a near-duplicate of another known series (patient) in training: one" in words(known)
    leak = {row[0].split(" (")[0]: row[1] for row in rows(section(known, "leak")) if len(row) == 2}
    assert leak["have a near-duplicate of another known series"] == "25.0 % (2)"
    assert (leak["known series"], leak["series inferred"]) == ("8", "9")
    assert (leak["adjusted Rand index"], leak["purity"]) == ("0.875", "93.8 %")


def test_an_external_test_is_told_or_that_there_is_none(page, tested, written):
    assert 'href="#external"' not in page
    assert "One data set, one network, one size of picture. No external test." in words(page)
    page = written(tested)
    assert "/home/someone" not in page
    text = words(page, "external")
    for sentence in (
        "the images of theirs.zip, a set that is used for nothing else: 4 images of 3 series, inferred",
        "It holds no image of class Stone: there is no recall",
        "2 more could not be read and were left out.",
        "control (random weights) collapsed: one class only",
        # Series 0, 1, 2 have 2, 1 and 1 images; the control has those of 0 alone right.
        "accuracy 4 100.0 % 100.0 % to 100.0 % 50.0 % 0.0 % to 100.0 % +50.0 +0.0 to +100.0",
        "recall of Stone 0 none none none",
        "recall of Normal 1 100.0 % one series 0.0 % one series +100.0 one series",
        "With 3 series the intervals are too narrow",
        "2 of the 4 images (50.0 %) have a near-duplicate among the study's images, 2 among those that",
        "External series without a near-duplicate in the study: 1 image of 1 series.",
        "look like the training images 75.0 %",
        "accuracy: nearest thumbnail (25 × 25, grey) 100.0 %",
    ):
        assert sentence in text
    assert "2 of the 4 external images have a near-duplicate in the study" in words(page, "limits")
    assert "2 of the images have a near-duplicate in the study, 2 in training: so far the test is not" in words(page)


def test_numbers_and_parameters_are_written_for_readers():
    assert [report.percent(0.12345), report.percent(1, 0), report.decimal(-0.001, 2)] == ["12.3 %", "100 %", "0.00"]
    p_value = report.environment().filters["p"]
    assert [p_value(0.0009), p_value(0.001)] == ["< 0.001", "0.001"]
    values = {"weights": "/home/me/x.h5", "data": {"source": "/home/me/scans", "classes": ["a", "b"]}, "seed": 0}
    texts = {"weights": "x.h5", "data.source": "scans", "data.classes": "a, b", "seed": "0"}
    assert report.flat(values) == texts


def choose(browser, **choices):
    """The names of the cards that are shown after these choices."""
    from selenium.webdriver.support.ui import Select

    for name, value in choices.items():
        Select(browser.find_element("name", name)).select_by_value(value)
    cards = [card for card in browser.find_elements("class name", "card") if card.is_displayed()]
    return [card.get_attribute("data-label") for card in cards]


def test_in_a_browser(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    browser = chromium.started()
    try:
        browser.get(path.as_uri())
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert not [event for event in events if event["method"] == "Network.loadingFailed"]
        assert browser.execute_script("return [...document.images].every(i => i.complete && i.naturalWidth > 0)")

        assert len(choose(browser)) == 6
        assert len(choose(browser, role="control")) == 3
        assert choose(browser, verdict="wrong") == ["Cyst"]
        assert browser.find_element("id", "count").text == "1 of 6 shown"
        assert choose(browser, label="Tumor") == []
        assert "None of the pictures fits" in browser.find_element("id", "count").text
        for width in (360, 1280):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.get_log("browser") == []
    finally:
        browser.quit()


def test_images_and_series_by_class_and_part():
    table = pd.DataFrame({"label": list("aaabb"), "split": ["train", "train", "test", "test", "dropped"]})
    empty = {"train": (0, 0), "validation": (0, 0), "test": (0, 0), "without": (0, 0)}
    expected = [
        ("a", 3, 2, empty | {"train": (2, 1), "test": (1, 1)}),
        ("b", 2, 1, empty | {"test": (1, 1), "without": (1, 1)}),
        (None, 5, 3, empty | {"train": (2, 1), "test": (2, 2), "without": (1, 1)}),
    ]
    counts = report.counts(table, np.array([0, 0, 1, 2, 2]), ["a", "b"])
    assert counts == [dict(zip(("label", "images", "series", "parts"), each, strict=True)) for each in expected]
