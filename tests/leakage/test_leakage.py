"""What leaks across a split, on thumbnails whose correlations are known."""

import numpy as np
import pandas as pd
import pytest
from thumbnails import pictures

from kidneyct.leakage import baselines, leakage, overlap
from kidneyct.probe import logistic

# Three series of three slices 1° apart (correlation 0.9998), 60° between series (at most cos 58° = 0.53).
ANGLES = [0, 1, 2, 60, 61, 62, 120, 121, 122]
SERIES = [0, 0, 0, 1, 1, 1, 2, 2, 2]
CODES = [0, 0, 0, 1, 1, 1, 1, 1, 1]
HASHES = list("aacdefghi")  # the first two images are one file


def files(hashes):
    return pd.DataFrame({"sha256": hashes, "width": 512, "height": 512})


def measure(index, thumbnails, series, codes, parts, similarity, **options):
    return leakage.measure(index, thumbnails, series, codes, parts, similarity, np.arange(len(codes)), 8, **options)


@pytest.fixture
def without_models(monkeypatch):
    """The baselines that are fitted are left out: the others take no time."""
    for name in ("tuned", "refitted"):
        monkeypatch.setattr(baselines, name, lambda *_: {})


def measured(parts):
    parts = np.array([{"t": "train", "v": "validation", "e": "test"}[part] for part in parts])
    return measure(files(HASHES), pictures(*ANGLES), SERIES, CODES, parts, 0.99)[0]


@pytest.mark.usefixtures("without_models")
def test_an_image_wise_split_leaks():
    found = measured("tetettett")
    assert found["test_images"] == 3
    assert found["near_duplicates"]["share"] == 1
    assert found["near_duplicates"]["median_correlation"] == pytest.approx(np.cos(np.radians(1)), abs=1e-3)
    assert found["identical_files"] == {"share": pytest.approx(1 / 3, abs=1e-6), "images": 1}
    inferred = {"origin": "inferred", "all": 3, "mixed": 0}
    assert found["series"] == inferred | {"in_test": 3, "crossing": 3, "share_of_test_images_crossing": 1}
    assert found["accuracy"]["nearest_thumbnail"] == 1
    assert found["accuracy"]["majority_class"] == pytest.approx(2 / 3, abs=1e-6)
    for parts, images in (("vvtetttte", 0), ("evttttttt", 0), ("ettvttttt", 1)):  # validation is not looked up
        assert measured(parts)["identical_files"]["images"] == images


def test_a_series_wise_split_does_not():
    parts = np.array(["train"] * 6 + ["validation"] + ["test"] * 2)
    found, predicted = measure(files(HASHES), pictures(*ANGLES), SERIES, CODES, parts, 0.99)
    assert predicted["majority_class"].tolist() == [0, 0]  # three of each class: the first
    for name, values in predicted.items():
        assert found["accuracy"][name] == np.mean(values == 1)
    assert found["near_duplicates"]["share"] == 0
    assert found["near_duplicates"]["median_correlation"] == pytest.approx(np.cos(np.radians(59.5)), abs=0.01)
    assert found["identical_files"] == {"share": 0, "images": 0}
    # The third series is in test and validation, not in training.
    inferred = {"origin": "inferred", "all": 3, "mixed": 0}
    assert found["series"] == inferred | {"in_test": 1, "crossing": 0, "share_of_test_images_crossing": 0}
    assert found["accuracy"]["nearest_thumbnail"] == 1  # at 120° the series at 60° is nearest: class 1


def test_closest_pairs_prefer_other_files():
    parts = np.array(["train", "test", "test", "train", "test", "train", "train", "train", "test"])
    pairs = leakage.closest_pairs(pictures(*ANGLES), HASHES, SERIES, CODES, parts, 2)
    found = pairs[["test", "training"]].values.tolist()
    assert found[:2] == [[2, 0], [1, 0]]  # the same file last
    assert found[2] in ([4, 3], [4, 5], [8, 7])  # all one degree apart
    assert pairs["correlation"][2] == pytest.approx(np.cos(np.radians(1)), abs=1e-3)


def test_series_swap_their_labels_as_a_whole():
    codes, series = np.array([0, 0, 0, 1, 1, 2, 1]), np.array([7, 7, 3, 3, 5, 5, 3])  # majorities 0, 1 and 1
    seen = set()
    for seed in range(40):
        swapped = baselines.permuted(codes, series, np.random.default_rng(seed))
        labels = tuple(int(swapped[series == number][0]) for number in (3, 5, 7))
        assert all(len(set(swapped[series == number])) == 1 for number in (3, 5, 7))
        seen.add(labels)
    assert seen == {(0, 1, 1), (1, 0, 1), (1, 1, 0)}


@pytest.mark.usefixtures("without_models")
def test_only_a_leak_makes_anything_of_permuted_labels():
    """By image the nearest thumbnail still knows each series; by series it can only guess."""
    generator = np.random.default_rng(0)
    angles = (3 * np.arange(40)[:, None] + [0, 0.5, 1]).ravel()  # 40 series of three slices, 3° apart
    series, codes = np.repeat(np.arange(40), 3), np.repeat(generator.integers(0, 4, 40), 3)
    by_image = np.tile(["train", "test", "train"], 40)
    by_series = np.where(series % 2, "train", "test")
    for parts, lowest, highest in ((by_image, 1, 1), (by_series, 0.1, 0.45)):
        found = measure(files(np.arange(120)), pictures(*angles), series, codes, parts, 0.9999)[0]
        assert lowest <= found["null_controls"]["permuted_labels"]["nearest_thumbnail"] <= highest


def test_how_a_picture_was_made_by_hand():
    thumbnail = np.zeros((25, 25), np.uint8)
    thumbnail[0], thumbnail[12, 12] = 96, 60  # 25 of the 96 outermost pixels are bright
    made = baselines.features(thumbnail[None], [512], [400])
    mean = (25 * 96 + 60) / 625
    greys = [mean, np.sqrt((25 * 96**2 + 60**2) / 625 - mean**2), 25]
    assert [*made["acquisition"][0], *made["acquisition_size"][0]] == pytest.approx([*greys, 512, 400, *greys])


def test_linear_baselines_are_the_tuned_regression_on_what_they_see():
    """Of each series two images are fitted, and whole series held out to tune; against the regression by itself."""
    generator = np.random.default_rng(0)
    series, codes = np.repeat(np.arange(40), 3), np.repeat(np.arange(40) % 3, 3)
    thumbnails = (
        generator.integers(0, 150, (120, 25, 25)) + 25 * codes[:, None, None] + generator.integers(0, 50, (120, 1, 1))
    )
    train, test = series < 28, series >= 28
    parts = np.where(train, "train", "test")
    table = files(np.arange(120))
    result, predicted = leakage.measure(table, thumbnails, series, codes, parts, 0.99, series, 2)
    greys = baselines.acquisition(thumbnails)
    model = logistic.tuned(greys[train], codes[train], series[train], series[train], 3, 2)
    expected = logistic.probabilities(model, greys[test]).argmax(axis=1)
    np.testing.assert_array_equal(predicted["acquisition"], expected)
    assert result["accuracy"]["acquisition"] == pytest.approx(np.mean(expected == codes[test]), abs=1e-6)
    assert 0.4 < result["accuracy"]["acquisition"] < 1


@pytest.mark.usefixtures("without_models")
def test_near_duplicates_across_known_series_are_counted_and_named():
    """By the table the third image and the fifth are those of a patient of their own."""
    known = np.array([0, 0, 9, 1, 9, 1, 2, 2, 2])
    parts = np.array(["test", "train", "train", "train", "test", "train", "train", "train", "test"])
    found, _ = measure(files(HASHES), pictures(*ANGLES), known, CODES, parts, 0.99, inferred=SERIES)
    # Near another series': image 0 its slice 2 (2 degrees), image 4 slices 3 and 5; image 8 has its own series' only.
    assert found["near_duplicates"]["across_series"] == {"share": pytest.approx(2 / 3, abs=1e-6), "images": 2}
    assert found["near_duplicates"]["share"] == 1
    assert found["series"]["origin"] == "known"
    assert (found["series"]["all"], found["series"]["mixed"]) == (4, 1)  # series 9 has a slice of each class
    assert found["series"]["inference"]["known"] == 4
    arguments = pictures(*ANGLES), HASHES, known, CODES, parts, 1
    pairs = leakage.closest_pairs(*arguments, similarity=0.99)
    assert pairs[["test", "training", "series"]].values.tolist() == [
        [0, 1, "same"],  # the same file, as there is no other test image of its class
        [0, 2, "another"],
        [4, 3, "another"],
    ]
    assert "another" not in leakage.closest_pairs(*arguments[:2], SERIES, *arguments[3:])["series"].tolist()


def test_what_a_threshold_decides(monkeypatch):
    # Six series of two slices 1° apart (0.99985), 48° between those of the first and second (0.669), 49° elsewhere.
    angles = [0, 1, 49, 50, 99, 100, 149, 150, 199, 200, 249, 250]
    codes = [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]
    table = leakage.curve(pictures(*angles), np.arange(12), codes, (0.99999, 0.5, 0.9))
    assert table["similarity"].tolist() == [0.5, 0.9, 0.99999]
    assert table["series"].tolist() == [1, 6, 12]
    assert table["mixed"].tolist() == [1, 0, 0]
    assert np.isnan(table["nearest_thumbnail"][0])  # no other series
    assert table["nearest_thumbnail"][1:].tolist() == [0, 1]  # the classes alternate; then each slice's own sibling
    of_one_group = leakage.curve(pictures(0, 90, 180), ["a", "b", "a"], [0, 1, 0], (0.5, 0.9))
    assert of_one_group["series"].tolist() == [2, 2]
    monkeypatch.setattr(leakage, "MOST", 2)
    none = leakage.curve(pictures(0, 90, 180), np.arange(3), [0, 1, 0])
    assert (len(none), none.columns.tolist()) == (0, ["similarity", "series", "mixed", "nearest_thumbnail"])


CLASSES = ["Cyst", "Stone"]


def table(images, hashes):
    lines = {"image": images, "label": [image.split("/")[0] for image in images], "sha256": list(hashes)}
    return pd.DataFrame(lines).assign(width=200, height=200)


def test_near_duplicates_are_named_and_counted_and_likeness_is_to_training_images_alone():
    """Angles in degrees: 5 apart is a correlation of 0.9962, 10 of 0.9848, 30 of 0.8660."""
    study = table(["Cyst/1", "Cyst/2", "Stone/3", "Stone/4", "Stone/5"], "abcde")
    study["split"] = ["train", "train", "train", "test", "unused"]
    external = table(["Cyst/0", "Cyst/1", "Stone/2", "Cyst/3", "Stone/4"], "vewxy")
    thumbnails = pictures(5, 200, 80, 150, 300)
    own, series = pictures(0, 30, 60, 155, 205), np.arange(5)
    found = overlap.find(external, thumbnails, study, own, series, CLASSES, 0.99, series, 8)
    expected = {
        "near_duplicate": ["training", "study", "none", "study", "none"],
        "study": ["Cyst/1", "Stone/5", "Stone/3", "Stone/4", "Cyst/1"],
        "study_split": ["train", "unused", "train", "test", "train"],
        "same_file": [0, 1, 0, 0, 0],
        "training": ["Cyst/1", "Stone/3", "Stone/3", "Stone/3", "Cyst/1"],
        "unlike": [0, 1, 0, 1, 1],  # each training image is 30 degrees from another series
        "majority_class": ["Cyst"] * 5,
        "nearest_thumbnail": ["Cyst", "Stone", "Stone", "Stone", "Cyst"],
    }
    assert found[list(expected)].to_dict("list") == expected
    for name, angles in (("correlation", (5, 0, 20, 5, 60)), ("likeness", (5, 140, 20, 90, 60))):
        assert found[name].to_numpy() == pytest.approx(np.cos(np.radians(angles)), abs=1e-3)
    assert set(found[["linear_model", "acquisition", "acquisition_size"]].to_numpy().ravel()) <= set(CLASSES)
    series = np.array([0, 1, 1, 2, 3])
    summary = overlap.summary(found, series)
    counts = {"training": 1, "study": 3, "share": 0.6, "series": 3, "same_file": 1, "another_class": 2}
    assert summary["near_duplicates"] == counts
    assert summary["likeness"] | {"median": 0} == {"median": 0, "alike": 0.4, "unlike_images": 3}
    assert summary["accuracy"]["majority_class"] == 0.6
    assert summary["accuracy"]["nearest_thumbnail"] == 0.4
    assert overlap.apart(found, series).tolist() == [False, False, False, False, True]


def test_the_same_file_is_named_even_where_its_thumbnail_is_blank():
    study = table(["Cyst/1", "Stone/2", "Stone/3"], "abb").assign(split=["train", "test", "train"])
    external, blank = table(["Cyst/9"], "b"), np.zeros((1, 25, 25), "uint8")
    series = np.array([0, 1, 1])
    found = overlap.find(external, blank, study, np.tile(blank, (3, 1, 1)), series, CLASSES, 0.99, series, 8)
    line = found.iloc[0]
    assert (line["study"], line["study_split"], line["same_file"]) == ("Stone/3", "train", 1)
    assert (line["near_duplicate"], line["correlation"], line["study_label"]) == ("training", 1, "Stone")


def test_the_threshold_of_likeness_compares_each_series_with_the_others():
    """Three images by hand: 0 and 1 share a picture across series, 2 is another series' negative of it."""
    picture = np.arange(625, dtype="uint8").reshape(25, 25) % 200
    training = np.stack([picture, picture, 255 - picture])
    assert overlap.threshold(training, np.array([0, 1, 2])) == pytest.approx(-1 + 2 * 0.02, abs=1e-5)
    assert overlap.threshold(training, np.array([4, 4, 4])) == -1
    training, numbers = pictures(0, 1, 40, 41, 80, 81), np.repeat(range(3), 2)
    assert overlap.threshold(training, numbers) == pytest.approx(np.cos(np.radians(40)), abs=1e-3)  # 0 and 81
    assert overlap.likeness(pictures(2, 182), training) == pytest.approx(np.cos(np.radians([1, 101])), abs=1e-3)
