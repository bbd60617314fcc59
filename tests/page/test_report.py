"""The page of a run: its numbers, its pictures, and how it behaves in a browser."""

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from ruamel.yaml import YAML

from kidneyct.page import figures, report
from kidneyct.results import comparison, statistics

CLASSES = ["Cyst", "Normal", "Stone", "Tumor"]
ABOVE = {"value": 0.5, "low": 0.3, "high": 0.7, "chance": 0.3, "gain": 0.2, "gain_low": 0.1, "gain_high": 0.3}
LEVEL = ABOVE | {"gain_low": -0.1, "gain_high": 0.5}
BELOW = ABOVE | {"chance": 0.9, "gain": -0.4, "gain_low": -0.5, "gain_high": -0.3}


def explanations(last):
    """What a measure stage writes, the same for each map but for its randomisation."""
    each = {
        "insertion": ABOVE,
        "deletion": ABOVE,
        "road": LEVEL,
        "focus": {"gini": ABOVE, "entropy": ABOVE, "body": ABOVE},
        "localisation": {"pointing": ABOVE, "energy": BELOW},
    }
    found = {
        method: each
        | {
            "randomisation": {
                "images": 2,
                "scores": {"value": 0.9},
                "block1": {"value": last},
                "chance": 0.0,
                "uninformative": last > 0.5,
            }
        }
        for method in figures.TITLES
    }
    settings = {"curve_points": 5, "road_shares": 2, "smoothgrad_samples": 4, "integrated_gradients_steps": 6}
    return {"images": 2, "settings": settings | {"randomised_images": 4}} | found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 16 images in 8 series, two of each class in test; the candidate errs once, the control four times."""
    folder = tmp_path_factory.mktemp("run")
    generator = np.random.default_rng(0)
    parameters = YAML(typ="safe").load(Path("params.yaml"))
    parameters["weights"] = "imagenet"
    parameters["data"] |= {"source": "/home/someone/scans.zip", "classes": CLASSES}
    labels = np.repeat(CLASSES, 4)
    parts = np.tile(["train", "validation", "test", "test"], 4)
    table = pd.DataFrame({"image": [f"{label}/{n}.jpg" for n, label in enumerate(labels)], "label": labels})
    table["split"] = parts
    series = np.arange(16) // 2  # rows 0, 1 | 2, 3 | …: the test images of a class are one series
    images = generator.integers(0, 256, (16, 40, 40, 3), np.uint8)
    rows = np.flatnonzero(parts == "test")
    actual = labels[rows]
    predictions, maps = [], []
    for wrong in ([0], [0, 2, 4, 6]):
        predicted = actual.copy()
        predicted[wrong] = np.roll(actual, 2)[wrong]
        predictions.append(pd.DataFrame({"image": table["image"][rows], "label": actual, "predicted": predicted}))
        shown = np.array([rows[1], rows[3], rows[0]])  # two examples and a mistake
        maps.append(
            {"rows": shown, "mistake": np.array([0, 0, 1]), "probability": np.array([0.9, 0.8, 0.7])}
            | {"predicted": np.array([CLASSES.index(predicted[n]) for n in (1, 3, 0)])}
            | {method: generator.random((3, 40, 40)).astype("float32") for method in figures.TITLES}
            | {"gradcam": generator.random((3, 4, 4)).astype("float32")}
        )
    of_class = {"precision": 1.0, "recall": 0.5, "f1": 0.667, "support": 2}
    evaluations = tuple(
        {"loss": 0.1, "accuracy": accuracy, "balanced_accuracy": accuracy, "macro_f1": accuracy, "macro_auroc": 0.95}
        | {"expected_calibration_error": 0.123, "brier_score": 0.456}
        | dict.fromkeys(CLASSES, of_class)
        for accuracy in (0.875, 0.5)
    )
    found = comparison.compare(*evaluations)
    codes, *guesses = (pd.Categorical(one, CLASSES).codes for one in (actual, *(p["predicted"] for p in predictions)))
    paired = statistics.paired(codes, *guesses, series[rows], CLASSES, 0, resamples=50)
    for metric in found:
        found[metric] |= paired.pop(metric)
    history = pd.DataFrame({"epoch": [1, 2], "loss": [1, 0.5], "accuracy": [0.5, 1.0], "val_loss": [2, 1.0]})
    history["val_accuracy"] = [0.25, 0.75]
    Image.fromarray(images[0]).resize((300, 200)).save(folder / "chart.png")
    return report.Run(
        parameters=parameters,
        table=table,
        hashes=pd.Series([f"{n:064x}" for n in range(16)]),
        series=series,
        leakage={
            "test_images": 8,
            "near_duplicates": {"share": 0.25, "median_correlation": 0.9},
            "identical_files": {"share": 0.0, "images": 0},
            "series": {"all": 8, "in_test": 4, "crossing": 0, "share_of_test_images_crossing": 0.0},
            "accuracy": {"majority_class": 0.25, "nearest_thumbnail": 0.625, "linear_model": 0.5},
        },
        comparison=found | paired | {"epochs_to_95_percent": {"candidate": 2, "control": 2}},
        evaluations=evaluations,
        explanations=(explanations(last=0.1), explanations(last=0.7)),
        histories=(history, history),
        predictions=tuple(predictions),
        images=images,
        maps=tuple(maps),
        charts=dict.fromkeys(
            ["leakage", "calibration", "randomisation_candidate", "randomisation_control"], folder / "chart.png"
        ),
    )


@pytest.fixture(scope="module")
def page(run):
    return report.page(run)


class Outline(HTMLParser):
    """Tags with their attributes in order, and the text without the pictures."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.words.append(text)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_answer_and_the_numbers_are_the_runs(run, page):
    text = Outline(page).text
    assert "starts from ImageNet's weights than from random weights?" in text
    assert comparison.verdict(run.comparison, 0.625) in text
    assert "The candidate is 37.5 points above the control in test accuracy" in text
    assert "accuracy 87.5 % 50.0 % +37.5" in text
    assert "3 images only the candidate has right, 0 only the control, p 0.250" in text  # 2 · (1/2)³
    assert "Cyst 4 2 1 (1) 1 (1) 2 (1) 0 (0)" in text
    assert "all 16 8 4 (4) 4 (4) 8 (4) 0 (0)" in text
    assert "Epoch 2 of 2 kept, validation accuracy 75.0 %" in text


def test_it_needs_nothing_else(page):
    tags = Outline(page).tags
    links = [
        attributes[key] for _, attributes in tags for key in ("src", "href", "data", "action") if key in attributes
    ]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"url\(|@import|fetch\(|https?://", page)
    assert len(page) < 5_000_000
    assert "/home/someone" not in page  # a page that is sent on says nothing of its maker's folders


def test_it_can_be_read_by_all(page):
    tags = Outline(page).tags
    assert ("html", {"lang": "en"}) in tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    assert len(pictures) > 30
    assert all(len(attributes["alt"]) > 10 for attributes in pictures)
    names = {attributes["id"] for _, attributes in tags if "id" in attributes}
    inner = {a["href"][1:] for tag, a in tags if tag == "a"}
    assert inner <= names
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")


def test_the_gallery_shows_examples_and_mistakes_of_both_models(run):
    cards, left_out = report.gallery(run, CLASSES)
    assert left_out == 0
    assert [(card["role"], card["name"], card["right"]) for card in cards] == [
        ("candidate", "3.jpg", True),
        ("candidate", "7.jpg", True),
        ("candidate", "2.jpg", False),
        ("control", "3.jpg", True),
        ("control", "7.jpg", True),
        ("control", "2.jpg", False),
    ]
    assert [title for title, _ in cards[0]["tiles"]] == ["original", *figures.TITLES.values()]


def test_a_large_gallery_is_cut(run, monkeypatch):
    full = report.gallery(run, CLASSES)[0]
    sizes = [sum(len(source) for _, source in card["tiles"]) for card in full]
    monkeypatch.setattr(report, "GALLERY_BYTES", sizes[0] + sizes[1])
    cards, left_out = report.gallery(run, CLASSES)
    assert len(cards) == 2
    assert left_out == 4
    assert "4 more left out" in report.page(run)


def test_measured_maps_are_judged_by_their_interval():
    rows = report.measured(explanations(last=0.7))["rows"]
    verdicts = {name: cell["verdict"] for name, cell in rows[0]["cells"].items()}
    assert verdicts == {
        "insertion": "better",
        "deletion": "worse",  # lower would be better
        "road": "level",
        "gini": "",
        "entropy": "",
        "body": "",
        "pointing": "better",
        "energy": "worse",
    }
    assert all(row["uninformative"] and row["survives"]["value"] == 0.7 for row in rows)


def test_an_empty_map_is_not_judged():
    found = explanations(last=0.7)
    found["gradcam"] = found["gradcam"] | {"randomisation": {"images": 0}}
    row = report.measured(found)["rows"][3]
    assert (row["title"], row["survives"], row["uninformative"]) == ("Grad-CAM", None, False)


def test_limits_follow_from_the_run(run):
    assert any("4 series" in sentence for sentence in report.limits(run))
    assert not any("slices in training" in sentence for sentence in report.limits(run))
    leakage = run.leakage | {"series": run.leakage["series"] | {"crossing": 3}}
    parameters = run.parameters | {"weights": "photographs", "data": run.parameters["data"] | {"source": "phantom"}}
    other = run._replace(leakage=leakage, parameters=parameters)
    limits = report.limits(other)
    mine = report.limits(run._replace(parameters=run.parameters | {"weights": "/somewhere/mine.h5"}))
    assert any("started from a file" in sentence for sentence in mine)
    assert not any("started from a file" in sentence for sentence in limits)
    assert any(sentence.startswith("3 of the 4 series in the test part have slices in training") for sentence in limits)
    assert any("does not answer for ImageNet" in sentence for sentence in limits)
    assert "Nothing on this page is about patients." in Outline(report.page(other)).text


def test_text_from_outside_stays_text(run):
    parameters = run.parameters | {"weights": "<b>bold</b>&.h5"}
    page = report.page(run._replace(parameters=parameters))
    assert "<b>" not in page
    assert "b&gt;&amp;.h5" in page


def test_the_same_run_gives_the_same_page(run, page):
    assert report.page(run) == page


def test_the_fingerprint_is_of_the_files_whatever_their_order():
    one = report.fingerprint(pd.Series(["b", "a"]))
    assert one == report.fingerprint(pd.Series(["a", "b"]))
    assert one == "7e18f737311b2dc3b2f269dd78396b0351f14fb66efa879f768cb23181883c78"  # printf 'a\nb' | sha256sum
    assert one != report.fingerprint(pd.Series(["a", "c"]))


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Chromium and chromedriver on the PATH")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield running
    running.quit()


def test_in_a_browser(browser, page, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    browser.get(path.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert not [event for event in events if event["method"] == "Network.loadingFailed"]
    assert browser.execute_script("return [...document.images].every(one => one.complete && one.naturalWidth > 0)")

    def shown():
        return [card for card in browser.find_elements(By.CLASS_NAME, "card") if card.is_displayed()]

    def choose(name, value):
        Select(browser.find_element(By.NAME, name)).select_by_value(value)

    assert len(shown()) == 6
    choose("role", "control")
    assert len(shown()) == 3
    choose("verdict", "wrong")
    assert [card.get_attribute("data-label") for card in shown()] == ["Cyst"]
    assert browser.find_element(By.ID, "count").text == "1 of 6 shown"
    choose("label", "Tumor")
    assert shown() == []
    assert "None of the pictures fits" in browser.find_element(By.ID, "count").text

    for width in (360, 1280):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []
