"""The model card: the figures of the whole, what they are not worth, and no machine's paths."""

import finished
import pytest
import whole_run

from kidneyct.predict import card, trained_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    whole_run.write(folder)
    return trained_model.finished(folder, "candidate")


def with_(whole, **parameters):
    return whole._replace(
        parameters=whole.parameters | {key.replace("__", "."): value for key, value in parameters.items()}
    )


def test_the_figures_are_the_run_s(whole):
    text = card.card(whole, with_thumbnails=True)
    measured = whole.evaluation
    assert f"| accuracy | {100 * measured['accuracy']:.1f} % |" in text
    assert f"| macro AUROC | {measured['macro_auroc']:.3f} |" in text
    assert "16 images trained it, 8 tested it; all images are of 4 series of slices, inferred from the pict" in text
    assert "| nearest thumbnail (25 × 25, grey) | 100.0 % |" in text
    assert "not for clinical use" in text
    for values in finished.read_by(whole_run.WHOLE, whole_run.PARAMETERS).values():
        assert all(f"| {key} | " in text for key in values)


def test_a_leak_and_where_the_series_come_from_are_told(whole):
    leak = "**Leak: 4 of the 4 series in the test part have slices in training too, and 100.0 % of the test images"
    assert leak in card.card(whole, with_thumbnails=True)
    none = whole.leakage | {"series": whole.leakage["series"] | {"crossing": 0, "origin": "known"}}
    text = card.card(with_(whole, split__by="series")._replace(leakage=none), with_thumbnails=True)
    assert "Leak:" not in text
    assert "Split by series: all slices of a series are on one side." in text
    assert "No series crosses the split." in text
    assert "known from a table, which was not checked." in text


def test_an_external_test_is_told(whole, tested):
    """Four images of series 0, 0, 1 and 2, no stone; the candidate has all right, two are near-duplicates."""
    text = card.card(with_(whole, data__external="/home/x/theirs.zip")._replace(external=tested.external), True)
    assert "/home" not in text
    assert "one split, one seed: another" in text
    section = text[text.index("## External test") : text.index("## Training thumbnails")]
    assert "On 4 images of 3 series, inferred, of a copy named theirs.zip, used for nothing else" in section
    assert "| accuracy | 100.0 % (100.0 % to 100.0 %) |" in section
    assert "| recall of Stone | no image |" in section
    assert "| nearest thumbnail (25 × 25, grey) | 100.0 % |" in section
    assert section.rstrip().endswith(
        "**2 of the images have a near-duplicate in the study, 2 in training: so far this is no external test.**\nOver "
        "the 1 images of series without one the accuracy is 100.0 %.\n75.0 % of the images look like the training "
        "images."
    )


def test_a_model_that_lost_its_way_and_whose_pictures_and_weights_they_are(whole):
    text = card.card(whole, with_thumbnails=True)
    assert "Collapsed" not in text
    assert "25 × 25 pixels, grey; generated ones." in text
    assert "were left out, so `kidneyct predict` can't tell" in card.card(whole, with_thumbnails=False)
    lost = whole._replace(
        evaluation=whole.evaluation | {"collapsed": True, "untrained": True, "training_accuracy": 0.3}
    )
    text = card.card(with_(lost, data__source="kaggle"), with_thumbnails=True)
    assert "**Collapsed: it predicts one class for every test image.**" in text
    assert "**Untrained: it took 30.0 % of its own training images for what they are.**" in text
    assert "pictures of patients: pass them on as you may pass on the images" in text
    assert "The data set's licence is not confirmed" in text
    assert "Oxford's VGG, CC BY 4.0" in text
    assert "Oxford's" not in card.card(whole._replace(role="control"), with_thumbnails=True)


def test_no_path_and_no_markup_of_others_stands_in_it(whole):
    named = whole._replace(model=whole.model._replace(classes=["<b>", "a|b"]))
    text = card.card(with_(named, data__source="/home/someone/scans.zip", weights="/home/someone/w.h5"), True)
    assert "/home" not in text
    assert "Source: a copy named scans.zip." in text
    assert "w.h5" in text
    assert "tells &lt;b>, a\\|b apart" in text
