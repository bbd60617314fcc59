"""The model card: the figures of the run, what they are not worth, and no machine's paths."""

import finished
import numpy as np
import pandas as pd
import pytest
import whole_run

from kidneyct.leakage import overlap
from kidneyct.predict import card, trained_model
from kidneyct.statistics import external


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    whole_run.write(folder)
    return trained_model.finished(folder, "candidate")


def with_(run, **parameters):
    return run._replace(
        parameters=run.parameters | {key.replace("__", "."): value for key, value in parameters.items()}
    )


def test_the_figures_are_the_run_s(run):
    text = card.card(run, with_thumbnails=True)
    accuracy = run.evaluation["accuracy"]
    assert f"| accuracy | {100 * accuracy:.1f} %" in text
    assert f"| macro AUROC | {run.evaluation['macro_auroc']:.3f} |" in text
    assert "On 8 test images of 4 series" in text
    assert "| all | 24 (4) | 16 (4) | 0 (0) | 8 (4) |" in text
    assert "| Cyst | 6 (1) | 4 (1) | 0 (0) | 2 (1) |" in text
    assert "| nearest thumbnail (25 × 25, grey) | 100.0 % |" in text
    assert "not for clinical use" in text
    assert "32 × 32 pixels" in text


def test_a_leak_is_told(run):
    leak = "**Leak: 4 of the 4 series in the test part have slices in training too, and 100.0 % of the test images"
    assert leak in card.card(run, with_thumbnails=True)
    none = run.leakage | {"series": run.leakage["series"] | {"crossing": 0}}
    text = card.card(with_(run, split__by="series")._replace(leakage=none), with_thumbnails=True)
    assert "Leak:" not in text
    assert "By series: all slices of a series lie on one side." in text
    assert "No series crosses the split." in text


def test_where_the_series_come_from_is_told(run):
    assert "Series are inferred from the pictures." in card.card(run, True)
    known = run.leakage | {"series": run.leakage["series"] | {"origin": "known"}}
    assert "Series are known from a table, which was not checked." in card.card(run._replace(leakage=known), True)


def test_an_external_test_is_told(run):
    """Four images of series 0, 0, 1 and 2, no stone; the candidate errs in the last, a near-duplicate."""
    assert "one seed, and no external test: another" in card.card(run, True)
    codes, series, labels = np.array([0, 0, 1, 3]), np.array([0, 0, 1, 2]), ["Cyst", "Cyst", "Normal", "Tumor"]
    predicted = {"candidate": np.array([0, 0, 1, 2]), "control": np.zeros(4, int)}
    found = pd.DataFrame({"label": labels, "study_label": labels, "likeness": 0.5, "unlike": [1, 0, 0, 0]})
    found = found.assign(near_duplicate=["none"] * 3 + ["training"], same_file=0, majority_class="Cyst")
    found = found.assign(nearest_thumbnail=labels, linear_model="Stone", acquisition="Cyst")
    found = found.assign(acquisition_size="Cyst")

    def measure(rows):
        given = {role: 0.1 + 0.6 * np.eye(4)[values[rows]] for role, values in predicted.items()}
        chosen = {role: values[rows] for role, values in predicted.items()}
        return external.measure(codes[rows], chosen, given, series[rows], whole_run.CLASSES, seed=0)

    parts = overlap.summary(found, series) | {"apart": measure(overlap.apart(found, series)), "series_are": "known"}
    tested = with_(run, data__external="/home/x/theirs.zip")._replace(external=measure(slice(None)) | parts)
    text = card.card(tested, True)
    assert "/home" not in text
    assert "one split, one seed: another" in text
    section = text[text.index("## External test") : text.index("## Training thumbnails")]
    assert "On 4 images of 3 series, known, of a copy named theirs.zip, used for nothing else" in section
    assert "| accuracy | 75.0 % (0.0 % to 100.0 %) |" in section
    assert "| recall of Stone | no image |" in section
    assert "| nearest thumbnail (25 × 25, grey) | 100.0 % |" in section
    assert section.rstrip().endswith(
        "**1 of the images have a near-duplicate in the study, 1 in training: so far this is no external test.** Over "
        "the 3 images of series without one the accuracy is 100.0 % (100.0 % to 100.0 %). 75.0 % of the images look "
        "like the training images."
    )


def test_a_collapsed_model_is_told(run):
    collapsed = run._replace(
        evaluation=run.evaluation | {"collapsed": True}, predictions=run.predictions.assign(predicted="Stone")
    )
    assert "**Collapsed: it predicts Stone for every test image.**" in card.card(collapsed, with_thumbnails=True)


def test_an_untrained_model_is_told(run):
    untrained = run._replace(evaluation=run.evaluation | {"training_accuracy": 0.3, "untrained": True})
    line = "**Untrained: it took 30.0 % of its own training images for what they are.**"
    assert line in card.card(untrained, with_thumbnails=True)
    assert "Untrained" not in card.card(run, with_thumbnails=True)


def test_whose_pictures_and_whose_weights_they_are(run):
    assert "25 × 25 pixels, grey; generated ones." in card.card(run, with_thumbnails=True)
    assert "were left out, so `kidneyct predict` can't tell" in card.card(run, with_thumbnails=False)
    real = with_(run, data__source="kaggle")
    assert "pictures of patients: pass them on as you may pass on the images" in card.card(real, with_thumbnails=True)
    assert "The data set's licence is not confirmed" in card.card(real, with_thumbnails=True)
    assert "Oxford's VGG, CC BY 4.0" in card.card(real, with_thumbnails=True)
    assert "Oxford's" not in card.card(real._replace(role="control"), with_thumbnails=True)
    assert "Oxford's" not in card.card(with_(run, weights="none"), with_thumbnails=True)


def test_of_a_path_only_the_name_stands_in_it(run):
    text = card.card(with_(run, data__source="/home/someone/scans.zip", weights="/home/someone/w.h5"), True)
    assert "/home" not in text
    assert "Source: a copy named scans.zip." in text
    assert "w.h5" in text


def test_the_same_run_gives_the_same_card(run):
    assert card.card(run, True) == card.card(run, True)
    assert card.table(["a|b"], [["c|d"]]) == "| a\\|b |\n| :-- |\n| c\\|d |"


def test_every_parameter_is_in_it(run):
    text = card.card(run, with_thumbnails=True)
    for values in finished.read_by(whole_run.WHOLE, whole_run.PARAMETERS).values():
        assert all(f"| {key} | " in text for key in values)
