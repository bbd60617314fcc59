"""The model card: the figures of the run, what they are not worth, and no machine's paths."""

import pytest
import whole_run

from kidneyct.predict import card, trained_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    whole_run.write(folder)
    return trained_model.finished(folder, "candidate")


def with_(whole, **parameters):
    values = {key.replace("__", "."): value for key, value in parameters.items()}
    return whole._replace(parameters=whole.parameters | values)


def test_the_figures_are_the_run_s(whole):
    text = card.card(whole, with_thumbnails=True)
    for line in (
        f"| accuracy | {100 * whole.evaluation['accuracy']:.1f} % |",
        f"| macro AUROC | {whole.evaluation['macro_auroc']:.3f} |",
        "16 images trained it, 8 tested it; all images are of 4 series of slices, inferred from the pict",
        "| nearest thumbnail (25 × 25, grey) | 100.0 % |",
        "not for clinical use",
        "**Leak: 4 of the 4 series in the test part have slices in training too, and 100.0 % of the test images",
        "25 × 25 pixels, grey; generated ones.",
        *(f"| {key} | " for key in whole.parameters),
    ):
        assert line in text
    assert "Collapsed" not in text
    assert "were left out, so `kidneyct predict` can't tell" in card.card(whole, with_thumbnails=False)


def test_what_else_a_run_may_be_is_told(whole):
    none = whole.leakage | {"series": whole.leakage["series"] | {"crossing": 0, "origin": "known"}}
    lost = whole.evaluation | {"collapsed": True, "untrained": True, "training_accuracy": 0.3}
    other = with_(whole, split__by="series", data__source="kaggle")._replace(leakage=none, evaluation=lost)
    text = card.card(other, with_thumbnails=True)
    assert "Leak:" not in text
    for line in (
        "Split by series: all slices of a series are on one side.",
        "No series crosses the split.",
        "known from a table, which was not checked.",
        "**Collapsed: it predicts one class for every test image.**",
        "**Untrained: it took 30.0 % of its own training images for what they are.**",
        "pictures of patients: pass them on as you may pass on the images",
        "The data set's licence is not confirmed",
        "Oxford's VGG, CC BY 4.0",
    ):
        assert line in text
    assert "Oxford's" not in card.card(whole._replace(role="control"), with_thumbnails=True)


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


def test_no_path_and_no_markup_of_others_stands_in_it(whole):
    settings = whole.model.settings.model_copy(update={"classes": ["<b>", "a|b"]})
    named = whole._replace(model=whole.model._replace(settings=settings))
    text = card.card(with_(named, data__source="/home/someone/scans.zip", weights="/home/someone/w.h5"), True)
    assert "/home" not in text
    assert "Source: a copy named scans.zip." in text
    assert "w.h5" in text
    assert "tells &lt;b>, a\\|b apart" in text
