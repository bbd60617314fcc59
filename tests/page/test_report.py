"""The page of a run: its numbers, its words, and how it behaves in a browser."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import chromium
import pandas as pd
import pytest

from kidneyct.report import gallery, report
from kidneyct.statistics import verdict

ODD = ["all", "image", "<b>", "all classes"]


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


def text_of(run):
    return Outline(report.page(run)).text


def section(page, name):
    """The page from one heading of the second level to the next."""
    return re.search(rf'<h2 id="{name}">.*?(?=<h2|</main>)', page, re.DOTALL)[0]


def rows(markup):
    """Each table row's cells, as text."""
    return [
        [re.sub("<.*?>", " ", cell).split() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", markup, re.DOTALL)
    ]


def test_the_answer_and_the_numbers_are_the_runs(run, page):
    text = Outline(page).text
    assert "starts from ImageNet's weights than from random weights?" in text
    assert verdict.verdict(run.comparison, run.leakage["accuracy"]) in text
    assert "The candidate is 37.5 points above the control in test accuracy" in text
    assert "accuracy 87.5 % 50.0 % +37.5 +12.5 to +62.5 +0.0 to +75.0" in text
    assert "3 images only the candidate has right, 0 only the control, p 0.250" in text
    assert "2 (candidate), none, it knows one class only (control)." in text
    assert "Stone 2 1 +50.0 none: one series 1 0 1.000" in text
    assert "Cyst 4 2 1 (1) 1 (1) 2 (1) 0 (0)" in text
    assert "all classes 16 8 4 (4) 4 (4) 8 (4) 0 (0)" in text
    assert "1 and 4 test images are classified wrongly" in text


def test_the_probes_stand_block_by_block_and_penalties_at_an_edge_are_said(run, page):
    part = section(page, "probe")
    text = Outline(part).text
    assert "the candidate's features are 6.5 points above the control's before any training" in text
    assert [" ".join(word for cell in line for word in cell) for line in rows(part)[1:]] == [
        "block 1 50.0 % 50.0 % +0.0 0.830 0.765 +6.5",
        "all blocks 62.5 % 62.5 % +0.0 0.930 0.865 +6.5",
    ]
    assert "No network is trained for this table" in text
    assert (
        "The control's probe of block 1 kept the lowest of the penalties' strengths tried: a lower one may be" in text
    )
    assert "probe of all blocks" not in text
    assert "so far the table says how well these are recognised" not in text


def test_probes_of_series_that_cross_the_split_or_are_of_one_class_say_so(run):
    series = run.leakage["series"] | {"crossing": 3}
    one_class = {"all blocks": {"edge": "untuned", "accuracy": 0.5, "series": {"count": 1}}}
    comparison = {name: value for name, value in run.comparison.items() if name != "probe"}
    other = run._replace(
        leakage=run.leakage | {"series": series}, comparison=comparison, probes=dict.fromkeys(run.probes, one_class)
    )
    text = Outline(section(report.page(other), "probe")).text
    assert "3 of the 4 series have slices in training too" in text
    assert "The test series are of one class, so no probe can be judged by series." in text
    assert "all blocks 50.0 % 50.0 % +0.0 none none none" in text
    assert "The control's probe of all blocks is not tuned: a class has one series in training." in text


def test_confusion_matrices_hold_counts_and_shares(page):
    first = rows(section(page, "confusion"))[1:5]
    assert first == [
        [["Cyst"], ["1", "50", "%"], ["0", "0", "%"], ["0", "0", "%"], ["1", "50", "%"]],
        [["Normal"], ["0", "0", "%"], ["2", "100", "%"], ["0", "0", "%"], ["0", "0", "%"]],
        [["Stone"], ["0", "0", "%"], ["0", "0", "%"], ["2", "100", "%"], ["0", "0", "%"]],
        [["Tumor"], ["0", "0", "%"], ["0", "0", "%"], ["0", "0", "%"], ["2", "100", "%"]],
    ]


def test_model_cards_name_the_kept_epoch_and_the_weakest_class(run, page):
    text = Outline(section(page, "models")).text
    assert "Epoch 2 of 3 kept, training accuracy 90.0 %, validation accuracy 75.0 %" in text
    assert "Stone: recall 25.0 %, precision 100.0 %, 2 test images" in text
    assert text.count("Base's initial weights: ImageNet's weights") == 1
    assert text.count("Base's initial weights: random weights") == 1
    candidate, control = text.split("control (random weights)")
    assert "none that could be judged survives randomised weights" in candidate
    assert "randomised weights: saliency map, SmoothGrad, integrated gradients, Grad-CAM, Grad-CAM++" in control
    history = run.histories["control"].assign(kept=[0, 0, 1])  # what the table says, whatever the losses
    other = run._replace(histories=run.histories | {"control": history})
    assert "Epoch 3 of 3 kept, training accuracy 90.0 %, validation accuracy 50.0 %" in text_of(other)


def test_it_needs_nothing_else(page):
    tags = Outline(page).tags
    links = [
        attributes[key] for _, attributes in tags for key in ("src", "href", "data", "action") if key in attributes
    ]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"url\(|@import|fetch\(|https?://", page)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in page
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
    inner = {attributes["href"][1:] for tag, attributes in tags if tag == "a"}
    assert inner <= names
    assert all("scope" in attributes for tag, attributes in tags if tag == "th")


def test_what_the_gallery_leaves_out_is_said(run, monkeypatch):
    cards, _ = gallery.cards({"candidate": report._explained(run, "candidate")})
    monkeypatch.setattr(gallery, "ROOM", sum(len(source) for card in cards[:2] for _, source in card["tiles"]))
    assert "4 more left out" in report.page(run)


def test_measured_maps_are_marked_by_their_verdicts(page):
    of_candidate, of_control = re.findall(r'aria-label="Measured maps of .*?</table>', page, re.DOTALL)
    marks = re.findall(r"<td(?: class=\"(\w+)\")?>", of_candidate)
    line = ["better", "worse", "level", "", "", "", "better", "worse"]
    assert marks == [*line, ""] * 5
    assert re.findall(r"<td(?: class=\"(\w+)\")?>", of_control) == [*line, "worse"] * 5
    assert rows(of_control)[1][1] == ["0.50", "0.30", "to", "0.70", "chance", "0.30"]
    assert [cells[-1] for cells in rows(of_control)[1:]] == [["0.70", "2", "images", "uninformative"]] * 5
    assert [cells[-1] for cells in rows(of_candidate)[1:]] == [["0.10", "2", "images"]] * 5


def test_lesions_are_told_by_their_size(page):
    table = re.search(r'aria-label="Lesion size, control".*?</table>', page, re.DOTALL)[0]
    cells = [" ".join(cell) for cell in rows(table)[1]]
    assert cells == ["saliency map", "0.125 (0.250)", "0.500 (0.300)", "0.500 (0.300)", "0.500 (0.900)"]


def test_what_was_not_measured_is_left_out(run):
    tree = run.measured["control"]
    maps = {
        method: {name: part for name, part in values.items() if name != "localisation"}
        for method, values in tree["maps"].items()
    }
    maps["gradcam"] = maps["gradcam"] | {"randomisation": {"images": 0}}
    tree = tree | {"images": 1, "maps": maps}
    page = report.page(run._replace(measured=dict.fromkeys(run.measured, tree)))
    table = re.search(r'aria-label="Measured maps of the control".*?</table>', page, re.DOTALL)[0]
    assert "control (random weights), 1 test image</caption>" in table
    assert " ".join(rows(table)[4][-1]) == "no map to compare"
    assert len(rows(table)[4]) == 1 + 6 + 1
    assert "Lesion size" not in page
    assert "on the lesion" not in section(page, "explanations")
    flagged = "randomised weights: saliency map, SmoothGrad, integrated gradients, Grad-CAM++"
    assert Outline(section(page, "models")).text.count(flagged) == 2


def test_limits_follow_from_the_run(run, page):
    limits = section(page, "limits")
    assert "4 series" in limits
    assert "slices in training" not in limits
    assert "The candidate" not in limits

    leakage = run.leakage | {"series": run.leakage["series"] | {"crossing": 3}}
    parameters = run.parameters | {"weights": "photographs", "data": run.parameters["data"] | {"source": "phantom"}}
    phantom = report.page(run._replace(leakage=leakage, parameters=parameters))
    limits = section(phantom, "limits")
    assert "<li>3 of the 4 series in the test part have slices in training too." in limits
    assert "does not answer for ImageNet" in limits
    assert "started from a file" not in limits
    assert "Nothing on this page is about patients." in Outline(phantom).text

    mine = report.page(run._replace(parameters=run.parameters | {"weights": "/somewhere/mine.h5"}))
    assert "started from a file" in section(mine, "limits")
    assert "starts from the weights of mine.h5 than from random weights?" in Outline(mine).text
    for series, sentence in {1: "come from one series", 39: "39 series. With so few"}.items():
        few = report.page(run._replace(comparison=run.comparison | {"series": series}))
        assert sentence in section(few, "limits")
    many = report.page(run._replace(comparison=run.comparison | {"series": 40}))
    assert "The test images come from" not in section(many, "limits")


def test_the_question_of_a_null_comparison_is_another(run):
    assert "both start from random weights?" in text_of(run._replace(parameters=run.parameters | {"weights": "none"}))


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {"split": {"by": "series", "folds": 5, "fold": 2}},
            ["Split by series: all", "test part 2 (from 0) of 5 parts"],
        ),
        ({"split": {"by": "image", "folds": 1, "test": 0.2, "seed": 7}}, ["test 20 %, drawn with seed 7; validation"]),
        ({"data": {"source": "kaggle", "kaggle": "a/b/3"}}, ["Images 16 from Kaggle, a/b/3; each squeezed to"]),
        ({"data": {"source": "phantom"}}, ["Images 16, generated here (phantom); each squeezed to"]),
        (
            {"train": {"fraction": 0.25}},
            ["kept; 25 % of the training images used; seed", "training uses 25 % of its part."],
        ),
        ({"train": {"fraction": 1.0}}, ["learning rate 0.001, batches", "kept; seed"]),
        ({"model": {"normalize": "none"}}, ["5 of its 5 blocks frozen, then dense layers", "initial weights alone"]),
        (
            {"model": {"normalize": "features"}},
            [
                "frozen, then each channel brought to mean 0 and variance 1 over the training images (measured once, "
                "before training), then dense layers",
                "initial weights and what follows from them: the channels' means and variances",
            ],
        ),
        (
            {"model": {"transferred_blocks": 3}},
            [
                "starts from ImageNet's weights (in the first 3 blocks alone, Keras's random ones in the others) than",
                "Candidate: ImageNet's weights (in the first 3 blocks alone, Keras's random ones in the others).",
                "candidate (imagenet, 3 of 5 blocks)",
                "Only 3 of the candidate's 5 blocks got the start's weights",
            ],
        ),
        (
            {"model": {"transferred_blocks": 0}},
            [
                "both start from random weights?",
                "Initial weights Candidate: random weights. Control: random weights",
                "The candidate did not start from ImageNet's weights",
            ],
        ),
    ],
)
def test_the_protocol_follows_from_the_parameters(run, changes, sentences):
    parameters = run.parameters | {name: run.parameters[name] | values for name, values in changes.items()}
    text = text_of(run._replace(parameters=parameters))
    assert all(sentence in text for sentence in sentences)


@pytest.mark.parametrize(
    ("weights", "blocks", "named"),
    [
        ("imagenet", 5, True),
        ("imagenet", 2, True),
        ("imagenet", 0, False),
        ("none", 5, False),
        ("photographs", 5, False),
        ("/somewhere/mine.h5", 5, False),
    ],
)
def test_the_origin_of_imagenets_weights_is_named_where_they_are_used(run, weights, blocks, named):
    model = run.parameters["model"] | {"transferred_blocks": blocks}
    page = report.page(run._replace(parameters=run.parameters | {"weights": weights, "model": model}))
    origin = "ImageNet's weights are those of Oxford's VGG, CC BY 4.0 (Simonyan & Zisserman 2015)"
    for name in ("protocol", "models", "claim"):
        assert Outline(section(page, name)).text.count(origin) == named


def test_one_learning_rate_was_not_chosen(page):
    training = Outline(section(page, "training")).text
    assert "One learning rate was tried, 0.001, the same for both models." in training
    assert "rate loss" not in training
    text = Outline(page).text
    assert "Learning rate, patience and pixel scaling are one choice for both models; none was tuned." in text
    assert "selection of the model The epoch of the lowest validation loss;" in text
    assert "Epochs run: 3 and 3 (candidate and control)" in text
    assert "had not stopped falling" not in text


@pytest.fixture(scope="module")
def searched(run):
    """The run with a list of learning rates; the candidate keeps the first, the control the second, unfinished."""
    parameters = run.parameters | {"train": run.parameters["train"] | {"learning_rate": [0.0001, 0.01, 10]}}
    rates = pd.DataFrame(
        {
            "learning_rate": [0.0001, 0.01],
            "epochs": [3, 3],
            "kept_epoch": [2, 3],
            "val_loss": [1.0, 1.25],
            "val_accuracy": [0.75, 0.5],
            "stopped": [1, 0],
            "edge": ["lowest", "none"],
        }
    )
    return run._replace(
        parameters=parameters,
        rates={"candidate": rates.assign(kept=[1, 0]), "control": rates.assign(val_loss=[1.5, 1.25], kept=[0, 1])},
    )


def test_learning_rates_tried_and_kept(searched):
    page = report.page(searched)
    training = section(page, "training")
    assert (
        "3 learning rates; the one of its lowest validation loss is kept: 0.0001 for the candidate, 0.01 for the"
        in (Outline(training).text)
    )
    tables = re.findall(r"<table.*?</table>", training, re.DOTALL)
    assert [[" ".join(cell) for cell in cells] for cells in rows(tables[0])[1:]] == [
        ["0.0001 kept, the lowest", "1.000", "75.0 %", "2 of 3", "yes"],
        ["0.01", "1.250", "50.0 %", "3 of 3", "no"],
        ["10", "left out: the loss was not a number"],
    ]
    assert [cells[0] for cells in rows(tables[1])[1:3]] == [["0.0001"], ["0.01", "kept"]]
    text = Outline(page).text
    assert "each model's learning rate the one of 0.0001, 0.01, 10 with its lowest validation loss, batches" in text
    assert "initial weights and what follows from them: the learning rate kept" in text
    assert "Epochs run: 3 and 3, learning rate kept: 0.0001 and 0.01 (candidate and control)" in text
    assert "Both models chose their learning rate from the same list, by validation loss. Patience and" in text
    assert "none was tuned" not in text
    assert "The epoch and the learning rate of the lowest validation loss; nothing is chosen on test images." in text
    candidate, control = Outline(section(page, "models")).text.split("control (random weights)")
    assert "Learning rate 0.0001 kept. The candidate kept the lowest of the learning rates tried: a" in candidate
    assert "Learning rate 0.01 kept. Epoch 2 of 3 kept" in control


def test_a_rate_at_the_edge_of_the_list_is_remarked_on(searched):
    page = report.page(searched)
    for name in ("training", "limits", "models"):
        text = Outline(section(page, name)).text
        assert text.count("The candidate kept the lowest of the learning rates tried: a lower one may be better.") == 1
        assert "The control kept" not in text


def test_a_model_that_could_still_have_improved_is_said_to(searched):
    page = report.page(searched)
    sentence = (
        "The control's validation loss had not stopped falling by the last epoch (3; lowest at 3): with more epochs"
    )
    for name in ("training", "limits", "models"):
        text = Outline(section(page, name)).text
        assert text.count(sentence) == 1
        assert "candidate's validation loss had" not in text


def test_a_collapsed_model_is_marked_where_its_numbers_stand(run, page):
    assert "collapsed" not in Outline(page).text.lower()
    table = run.predictions["control"].assign(predicted="Stone")
    lost = run._replace(
        evaluations=run.evaluations | {"control": run.evaluations["control"] | {"collapsed": True}},
        predictions=run.predictions | {"control": table},
    )
    page = report.page(lost)
    answer = Outline(page[: page.index("<nav")]).text
    assert (
        "The control has collapsed: it predicts Stone for every test image, so its accuracy is that class's" in answer
    )
    mark = "collapsed: one class only"
    comparison = section(page, "comparison")
    assert " ".join(rows(comparison)[0][2]) == f"control (random weights) {mark}"
    captions = re.findall(r"<caption>(.*?)</caption>", comparison, re.DOTALL)
    assert [caption.endswith(f"loss 0.100; {mark}") for caption in captions[-2:]] == [False, True]
    assert [" ".join(cells[0]) for cells in rows(section(page, "leak"))[-2:]] == [
        "candidate (imagenet)",
        f"control (random weights) {mark}",
    ]
    assert section(page, "confusion").count(f"; {mark}. Rows") == 1
    candidate, control = Outline(section(page, "models")).text.split("control (random weights)")
    assert "ollapsed" not in candidate
    assert "macro AUROC 0.950. Collapsed: predicts Stone for every test image" in control


def test_an_untrained_model_is_marked_where_its_numbers_stand(run, page):
    assert "untrained" not in Outline(page).text.lower()
    own = run.evaluations["control"] | {"training_accuracy": 0.3, "untrained": True}
    page = report.page(run._replace(evaluations=run.evaluations | {"control": own}))
    answer = Outline(page[: page.index("<nav")]).text
    assert "The control is untrained: it took 30.0 % of its own training images for what they are" in answer
    mark = "untrained: hardly knows its training images"
    comparison = section(page, "comparison")
    assert " ".join(rows(comparison)[0][2]) == f"control (random weights) {mark}"
    assert comparison.count(f"loss 0.100; {mark}</caption>") == 1
    assert [" ".join(cells[0]) for cells in rows(section(page, "leak"))[-2:]] == [
        "candidate (imagenet)",
        f"control (random weights) {mark}",
    ]
    assert section(page, "confusion").count(f"; {mark}. Rows") == 1
    assert Outline(section(page, "models")).text.count("training accuracy 30.0 % (untrained), validation") == 1


def test_how_the_models_were_trained_is_said(run):
    train = {"optimizer": "adamw", "weight_decay": 0.05, "head_epochs": 5, "schedule": "cosine", "warmup_epochs": 2}
    train |= {"augment": "ct", "label_smoothing": 0.1, "balance": "series"}
    model = run.parameters["model"] | {"head": "average", "dropout": 0.5}
    parameters = run.parameters | {"train": run.parameters["train"] | train, "model": model}
    text = Outline(section(report.page(run._replace(parameters=parameters)), "protocol")).text
    assert "then each channel's mean over all positions, then dense layers of" in text
    assert (
        "AdamW, weight decay 0.05, the head alone for 5 epochs at 0.001, then learning rate 0.001, falling to 0 along "
        "a cosine after a rise over 2 epochs, batches of 100, slices turned, shifted, zoomed and changed in their grey "
        "values anew each time, dropout 0.5 of the dense layer, labels smoothed by 0.1, classes, and series within a "
        "class, weighing the same, at most 30 epochs"
    ) in text


def test_agreement_stands_beside_chance(run, page):
    table = re.search(r'aria-label="Agreement of both models".*?</table>', page, re.DOTALL)[0]
    assert [" ".join(cell) for cell in rows(table)[1]] == ["predict the same class", "62.5 %", "25.0 %", "0.50"]
    assert [" ".join(cell) for cell in rows(table)[2]] == [
        "right or wrong on the same images",
        "62.5 %",
        "50.0 %",
        "0.25",
    ]
    told = Outline(section(page, "comparison")).text
    assert "0 is no more than chance" in told
    assert "leaves no room" not in told

    agreement = run.comparison["agreement"] | {"same_class": {"observed": 1.0, "expected": 1.0}}
    text = text_of(run._replace(comparison=run.comparison | {"agreement": agreement}))
    assert "predict the same class 100.0 % 100.0 % none right" in text
    assert "None: chance leaves no room." in text


def test_the_leak_is_set_beside_null_controls(page):
    table = re.search(r'aria-label="Baselines".*?</table>', page, re.DOTALL)[0]
    assert [[" ".join(cell) for cell in cells] for cells in rows(table)[1:]] == [
        ["majority class", "25.0 %", "12.5 %"],
        ["nearest thumbnail (25 × 25, grey)", "62.5 %", "37.5 %"],
        ["linear model on thumbnails", "50.0 %", "30.0 %"],
        ["acquisition: mean grey, its deviation, border", "45.0 %", "20.0 %"],
        ["acquisition with width and height", "47.5 %", "22.0 %"],
        ["candidate (imagenet)", "87.5 %", ""],
        ["control (random weights)", "50.0 %", ""],
    ]
    text = Outline(section(page, "leak")).text
    assert "it is what the leak alone is worth" in text
    assert "three or five numbers of how a picture was made" in text


def test_excluded_images_are_counted(run):
    table = run.table.assign(split=["dropped", *run.table["split"][1:]])
    text = text_of(run._replace(table=table))
    assert "All images but 1 that are filed under two classes; training uses" in text
    assert "15 images included, 1 excluded." in text
    assert "Cyst 4 2 0 (0) 1 (1) 2 (1) 1 (1)" in text


def test_text_from_outside_stays_text(run):
    parameters = run.parameters | {"weights": "<b>bold</b>&.h5"}
    page = report.page(run._replace(parameters=parameters))
    assert "<b>" not in page
    assert "b&gt;&amp;.h5" in page


def renamed(tree, names):
    """The same tree with other names of classes, as keys and as text."""
    if isinstance(tree, dict):
        return {names.get(key, key): renamed(value, names) for key, value in tree.items()}
    return [renamed(value, names) for value in tree] if isinstance(tree, list) else names.get(tree, tree)


@pytest.fixture(scope="module")
def oddly_named(run):
    """The run with classes that are called as rows and columns are."""
    names = dict(zip(run.parameters["data"]["classes"], ODD, strict=True))
    predictions = {
        role: table.replace({"label": names, "predicted": names}).rename(
            columns={f"probability of {name}": f"probability of {odd}" for name, odd in names.items()}
        )
        for role, table in run.predictions.items()
    }
    return run._replace(
        parameters=renamed(run.parameters, names),
        table=run.table.replace({"label": names}),
        comparison=renamed(run.comparison, names),
        evaluations=renamed(run.evaluations, names),
        predictions=predictions,
    )


def test_classes_may_have_any_name(oddly_named):
    page = report.page(oddly_named)
    assert "<b>" not in page
    body, foot = re.search(
        r"<tbody>(.*?)</tbody>\s*<tfoot>(.*?)</tfoot>", section(page, "protocol"), re.DOTALL
    ).groups()
    assert [" ".join(cells[0]) for cells in rows(body)] == ["all", "image", "&lt;b&gt;", "all classes"]
    assert [" ".join(cell) for cell in rows(body)[3]] == ["all classes", "4", "2", "1 (1)", "1 (1)", "2 (1)", "0 (0)"]
    assert [[" ".join(cell) for cell in cells] for cells in rows(foot)] == [
        ["all classes", "16", "8", "4 (4)", "4 (4)", "8 (4)", "0 (0)"]
    ]
    options = [attributes["value"] for tag, attributes in Outline(page).tags if tag == "option"]
    assert options == ["", "candidate", "control", "", *ODD, "", "right", "wrong"]
    assert "<b>: recall 25.0 %" in Outline(section(page, "models")).text


def test_the_same_run_gives_the_same_page(run, page):
    assert report.page(run) == page


def test_numbers_are_written_for_readers():
    assert [report.percent(0.12345), report.percent(0.12345, 2), report.percent(1, 0)] == ["12.3 %", "12.35 %", "100 %"]
    assert [report.decimal(0.1234), report.decimal(-0.001, 2), report.decimal(1)] == ["0.123", "0.00", "1.000"]
    assert [report.p_value(0.0009), report.p_value(0.001), report.p_value(1.0)] == ["< 0.001", "0.001", "1.000"]


def test_parameters_are_listed_by_their_dotted_names():
    data = {"source": "/home/me/scans", "external": "/home/me/theirs.zip", "classes": ["a", "b"]}
    texts = {"data.source": "scans", "data.external": "theirs.zip", "data.classes": "a, b", "seed": "0"}
    assert report.flat({"weights": "/home/me/x.h5", "data": data, "seed": 0}) == {"weights": "x.h5"} | texts
    assert report.flat({"data": {"labels": "/home/me/labels.csv"}}) == {"data.labels": "labels.csv"}
    assert report.flat({"train": {"learning_rate": [0.001, 1e-05]}}) == {"train.learning_rate": "0.001, 1e-05"}


@pytest.fixture(scope="module")
def browser():
    running = chromium.started()
    yield running
    running.quit()


def shown(browser):
    return [card for card in browser.find_elements("class name", "card") if card.is_displayed()]


def choose(browser, name, value):
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("name", name)).select_by_value(value)


def test_in_a_browser(browser, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    browser.get(path.as_uri())
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert not [event for event in events if event["method"] == "Network.loadingFailed"]
    assert browser.execute_script(
        "return [...document.images].every(image => image.complete && image.naturalWidth > 0)"
    )

    assert len(shown(browser)) == 6
    choose(browser, "role", "control")
    assert len(shown(browser)) == 3
    choose(browser, "verdict", "wrong")
    assert [card.get_attribute("data-label") for card in shown(browser)] == ["Cyst"]
    assert browser.find_element("id", "count").text == "1 of 6 shown"
    choose(browser, "label", "Tumor")
    assert shown(browser) == []
    assert "None of the pictures fits" in browser.find_element("id", "count").text

    for width in (360, 1280):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.get_log("browser") == []


def test_a_class_of_any_name_can_be_chosen_in_a_browser(browser, oddly_named, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report.page(oddly_named), encoding="utf-8")
    browser.get(path.as_uri())
    assert len(shown(browser)) == 6
    for name, count in zip(ODD, [4, 2, 0, 0], strict=True):  # rows 2 and 3 are of the first class, row 7 of the second
        choose(browser, "label", name)
        assert [card.get_attribute("data-label") for card in shown(browser)] == [name] * count


def test_images_left_out_are_counted(run):
    assert "could not be read" not in text_of(run)
    text = text_of(run._replace(leakage=run.leakage | {"rejected_images": 3}))
    assert "unit scaling; 3 more could not be read and were left out" in text


def test_the_page_says_where_the_series_come_from(run, page):
    text = Outline(page).text
    assert (
        "8, inferred: thumbnails that correlate above 0.95, of neighbours in number above 0.7, and identical files "
        "belong together" in text
    )
    alone = run.parameters | {"series": run.parameters["series"] | {"neighbours": "none"}}
    told = text_of(run._replace(parameters=alone))
    assert "thumbnails that correlate above 0.95 and identical files belong together" in told
    assert "no table of patients was given" in section(page, "limits")
    assert "Rand" not in text

    agreement = {"known": 8, "inferred": 9, "adjusted_rand_index": 0.875, "purity": 0.9375}
    series = run.leakage["series"] | {"origin": "known", "inference": agreement, "mixed": 1}
    near = run.leakage["near_duplicates"] | {"across_series": {"share": 0.25, "images": 2}}
    leakage = run.leakage | {"series": series, "near_duplicates": near}
    for table, words in {
        "archive": "patients.csv of the images' archive",
        "published": "the published table of Kaggle's data set, itself inferred,",
        "/home/someone/mine.csv": "mine.csv",
    }.items():
        parameters = run.parameters | {"series": run.parameters["series"] | {"table": table}}
        parameters["split"] = run.parameters["split"] | {"by": "series"}
        known = report.page(run._replace(leakage=leakage, parameters=parameters))
        assert "/home/someone" not in known
        text = Outline(known).text
        assert f"8, known: {words} says which patient or scan each image is of; 1 of them with images of" in text
        assert f"series, known: patient or scan, as {words} has them." in text
        assert f"Series are those of {words}, which was not checked" in text
        assert "2 test images have a near-duplicate of another known series (patient) in training: one patient" in text
        leak = {" ".join(row[0]).split(" (")[0]: row[1] for row in rows(section(known, "leak")) if len(row) == 2}
        assert leak["have a near-duplicate of another known series"] == ["25.0", "%", "(2)"]
        assert leak["known series"] == ["8"]
        assert leak["series inferred"] == ["9"]
        assert leak["adjusted Rand index"] == ["0.875"]
        assert leak["purity"] == ["93.8", "%"]
