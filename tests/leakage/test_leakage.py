"""What leaks across a split, on thumbnails whose correlations are known."""

import numpy as np
import pandas as pd
import pytest
from thumbnails import pictures

from kidneyct.leakage import baselines, leakage
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


def measured(parts):
    parts = np.array([{"t": "train", "v": "validation", "e": "test"}[part] for part in parts])
    return measure(files(HASHES), pictures(*ANGLES), SERIES, CODES, parts, 0.99)[0]


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


@pytest.mark.parametrize(("parts", "images"), [("vvtetttte", 0), ("evttttttt", 0), ("ettvttttt", 1)])
def test_validation_images_are_not_looked_up(parts, images):
    assert measured(parts)["identical_files"]["images"] == images


def test_closest_pairs_prefer_other_files():
    parts = np.array(["train", "test", "test", "train", "test", "train", "train", "train", "test"])
    pairs = leakage.closest_pairs(pictures(*ANGLES), HASHES, SERIES, CODES, parts, 1)
    found = list(zip(pairs["test"], pairs["training"], strict=True))
    assert found[0] == (2, 0)
    assert found[1] in {(4, 3), (4, 5), (8, 7)}  # all one degree apart
    assert pairs["correlation"][1] == pytest.approx(np.cos(np.radians(1)), abs=1e-3)
    two = leakage.closest_pairs(pictures(*ANGLES), HASHES, SERIES, CODES, parts, 2)
    assert two[["test", "training"]].values.tolist()[:2] == [[2, 0], [1, 0]]  # the same file last


def test_series_swap_their_labels_as_a_whole():
    codes, series = np.array([0, 0, 0, 1, 1, 2, 1]), np.array([7, 7, 3, 3, 5, 5, 3])  # majorities 0, 1 and 1
    seen = set()
    for seed in range(40):
        swapped = baselines.permuted(codes, series, np.random.default_rng(seed))
        labels = tuple(int(swapped[series == number][0]) for number in (3, 5, 7))
        assert all(len(set(swapped[series == number])) == 1 for number in (3, 5, 7))
        seen.add(labels)
    assert seen == {(0, 1, 1), (1, 0, 1), (1, 1, 0)}


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
    made = baselines.acquisition(thumbnail[None], [512], [400])
    mean = (25 * 96 + 60) / 625
    assert made[0] == pytest.approx([512, 400, mean, np.sqrt((25 * 96**2 + 60**2) / 625 - mean**2), 25])


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
    greys = baselines.acquisition(thumbnails, table["width"], table["height"])[:, 2:]
    model = logistic.tuned(greys[train], codes[train], series[train], series[train], 3, 2)
    expected = logistic.probabilities(model, greys[test]).argmax(axis=1)
    np.testing.assert_array_equal(predicted["acquisition"], expected)
    assert result["accuracy"]["acquisition"] == pytest.approx(np.mean(expected == codes[test]), abs=1e-6)
    assert 0.4 < result["accuracy"]["acquisition"] < 1


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
