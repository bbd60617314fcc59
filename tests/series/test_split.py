"""The split: sizes, proportions, and where it can't be made."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from kidneyct.files.index import PARTS, rows
from kidneyct.pipeline.errors import InputError
from kidneyct.series import split

PUBLISHED = {"Cyst": 3709, "Normal": 5077, "Stone": 1377, "Tumor": 2283}


# Twelve series of two classes, "a" of 10 images each and "b" of 5.
LABELS = np.array(["a"] * 60 + ["b"] * 30)
SERIES = np.concatenate([np.repeat(np.arange(6), 10), np.repeat(np.arange(6, 12), 5)])


def asked(**changes):
    return SimpleNamespace(
        **{"by": "image", "test": 0.2, "validation": 0.1, "folds": 1, "fold": 0, "contradictory": "error", "seed": 0}
        | changes
    )


def numbered(labels):
    """Names as Kaggle's, a number for each image of a class from 1."""
    count = {label: iter(range(1, 1 + len(labels))) for label in np.unique(labels)}
    return np.array([f"{label}/{label}- ({next(count[label])}).jpg" for label in labels])


def divided(labels=LABELS, series=SERIES, **changes):
    return split.divide(labels, series, numbered(labels), asked(**changes))


def test_the_papers_test_set_has_2489_images():
    labels = np.repeat(list(PUBLISHED), list(PUBLISHED.values()))
    parts = divided(labels)
    assert [np.sum(parts == part) for part in PARTS] == [8712, 1245, 2489]
    # 0.2 of 3709, 5077, 1377 and 2283 are 741.8, 1015.4, 275.4 and 456.6.
    counts = [np.sum(parts[labels == label] == "test") for label in PUBLISHED]
    assert counts == [742, 1015, 275, 457]


@pytest.mark.parametrize("by", ["image", "series", "block"])
def test_the_seed_alone_decides(by):
    first, again, *others = (divided(by=by, seed=seed).tolist() for seed in (1, 1, *range(2, 8)))
    assert first == again
    assert any(other != first for other in others)


@pytest.mark.parametrize("by", ["series", "block"])
def test_whole_series_on_one_side_at_the_shares_asked_for(by):
    # A third and a sixth of six series: 2 test, 1 validates, 3 train, in each class.
    parts = divided(by=by, test=1 / 3, validation=1 / 6)
    assert all(len(found) == 1 for found in sides(parts).values())
    for label, size in (("a", 10), ("b", 5)):
        counts = [np.sum(parts[label == LABELS] == part) for part in PARTS]
        assert counts == [3 * size, size, 2 * size]


def sides(parts, series=SERIES):
    """The parts that each series has images in."""
    return {number: set(parts[series == number]) for number in np.unique(series)}


def test_uneven_series_come_near_the_shares_and_every_part_has_every_class():
    generator = np.random.default_rng(0)
    sizes = generator.integers(1, 223, 100)  # as the real series: 1 to 222 images
    series = np.repeat(np.arange(100), sizes)
    labels = np.array(list("abcd"))[series % 4]
    parts = divided(labels, series, by="series")
    assert all(len(found) == 1 for found in sides(parts, series).values())
    for label in "abcd":
        shares = [np.mean(parts[labels == label] == part) for part in PARTS]
        np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.02)


def test_three_series_of_a_class_are_enough():
    labels, series = np.array(["a"] * 40 + ["b"] * 60), np.repeat(np.arange(10), 10)
    labels[series == 3] = "b"  # three series of class a, of ten images each
    parts = divided(labels, series, by="series")
    assert sorted(parts[labels == "a"].tolist()) == ["test"] * 10 + ["train"] * 10 + ["validation"] * 10


@pytest.mark.parametrize(("by", "folds"), [("series", 2), ("series", 3), ("series", 4), ("image", 5)])
def test_folds_test_all_once(by, folds):
    labels, tested = np.where(np.arange(90) < 5, "b", LABELS), np.zeros(90, int)  # the first series is of both classes
    for fold in range(folds):
        parts = divided(labels, by=by, folds=folds, fold=fold, validation=0.15, seed=1)
        assert by == "image" or all(len(found) == 1 for found in sides(parts).values())
        assert by == "series" or np.sum(parts[labels == "a"] == "test") == 11
        tested += parts == "test"
    assert (tested == 1).all()


@pytest.mark.parametrize("folds", [3, 4, 5])
def test_blocks_are_runs_of_whole_series_and_every_series_is_tested_once(folds):
    generator = np.random.default_rng(0)
    series = np.repeat(np.arange(40), generator.integers(1, 30, 40))
    labels = np.array(list("ab"))[series // 20]
    shuffled = generator.permutation(len(labels))  # the order of the rows tells nothing
    images, tested = numbered(labels)[shuffled], np.zeros(len(labels), int)
    labels, series = labels[shuffled], series[shuffled]
    for fold in range(folds):
        parts = split.by_block(labels, series, images, [1 / folds] * folds, fold, 0.15, seed=1)
        assert all(len(found) == 1 for found in sides(parts, series).values())
        for part, begin in (("test", 0), ("test", 20), ("validation", 0), ("validation", 20)):
            held = np.isin(np.arange(begin, begin + 20), series[parts == part])
            assert np.sum(held != np.roll(held, 1)) == 2  # one run, on a circle
            share = np.mean(parts[(series >= begin) & (series < begin + 20)] == part)
            assert share == pytest.approx({"test": 1 / folds, "validation": 0.15}[part], abs=0.08)
        tested += parts == "test"
    assert (tested == 1).all()


def test_a_block_by_hand():
    """Series of 2, 1, 1, 4, 2 and 2 images of one class, a third of which is 4; each may be the first."""
    series = np.array([7, 7, 3, 9, 1, 1, 1, 1, 4, 4, 5, 5])
    labels = np.array(["a"] * 12)
    found = {
        tuple(
            split.by_block(labels, series, numbered(labels), [1 / 3, 1 / 3, 1 / 3], 0, 1 / 12, seed)[
                [0, 2, 3, 4, 8, 10]
            ]
        )
        for seed in range(60)
    }
    t, v, r = "test", "validation", "train"
    assert found == {
        (t, t, t, v, r, r),  # from 7: 2 + 1 + 1
        (r, t, t, v, r, r),  # from 3: 1 + 1 is 2 from 4, and so is 1 + 1 + 4: the first
        (r, r, t, t, v, r),  # from 9: 1 is 3 from 4, 1 + 4 is 1
        (r, r, r, t, v, r),
        (v, r, r, r, t, t),
        (t, v, r, r, r, t),  # from 5: 2 + 2
    }


@pytest.mark.parametrize(
    ("labels", "settings", "line"),
    [
        (LABELS, {"by": "series", "folds": 7}, r"needs 7 series or more of each class here.*6 of class a.*: image$"),
        (LABELS, {"by": "block", "folds": 7}, r"needs 7 series or more of each class here.*found 6 of class a"),
        (LABELS, {"folds": 31}, "at most 30, the images of the smallest class; found 31"),
        (LABELS, {"by": "series", "folds": 2, "validation": 0.5}, r"expected less than 0\.5 beside a fold, found 0\.5"),
        (LABELS, {"by": "block", "folds": 2, "validation": 0.5}, r"expected less than 0\.5 beside a fold, found 0\.5"),
        (np.array([*"a" * 50, "b"]), {}, r"split\.test: 10 of 51 images can't be drawn .*; add images"),
        (np.array([*"a" * 50, *"bbb"]), {"test": 0.04}, r"no image of class b \(3 images\) falls into validation and"),
    ],
)
def test_parts_that_cannot_be(labels, settings, line):
    with pytest.raises(InputError, match=line):
        divided(labels, **settings)


def test_the_same_file_under_two_classes():
    index = index_of([*"aabbb"], [*"xyxzz"])
    assert split.usable(index, "drop").tolist() == [False, True, False, True, True]
    assert split.usable(index, "keep").all()
    with pytest.raises(InputError, match=r"a/0 = b/2; remove the wrong ones, or set split\.contradictory: drop"):
        split.usable(index, "error")


@pytest.mark.parametrize(
    ("series", "sizes", "line"),
    [
        (None, {0.1: {"a": 5, "b": 3}, 1 / 3: {"a": 18, "b": 9}}, "of the 54 training images of class a leaves none"),
        (SERIES, {1 / 3: {"a": 18, "b": 9}, 0.5: {"a": 27, "b": 13.5}}, "of the 6 training series of class a leaves"),
    ],
)
def test_a_share_of_the_training_images_or_series(series, sizes, line):
    training = np.flatnonzero(np.arange(90) % 10)  # 54 of class a, 27 of class b
    smaller, larger = (split.share_of(LABELS, series, training, share, seed=0) for share in sizes)
    assert set(smaller) < set(larger) < set(training)
    for rows_, by_class in zip((smaller, larger), sizes.values(), strict=True):
        for label, size in by_class.items():
            assert np.sum(LABELS[rows_] == label) == pytest.approx(size, abs=0 if series is None else 1)
    np.testing.assert_array_equal(split.share_of(LABELS, series, training, 1, seed=0), training)
    with pytest.raises(InputError, match=f"train.fraction: 0.005 {line}"):
        split.share_of(LABELS, series, training, 0.005, seed=0)


def index_of(labels, hashes=None):
    names = [f"{label}/{number}" for number, label in enumerate(labels)]
    hashes = [f"h{number}" for number in range(len(labels))] if hashes is None else hashes
    return pd.DataFrame({"image": names, "label": labels, "sha256": hashes})


def test_the_plan_marks_what_is_not_used():
    index = index_of(LABELS, ["x", *(f"h{n}" for n in range(88)), "x"])  # the first and the last, an a and a b
    with pytest.raises(InputError, match="the same file under two classes"):
        split.plan(index, SERIES, ["a", "b"], asked(), 1, seed=0)
    table = split.plan(index, SERIES, ["a", "b"], asked(contradictory="drop"), 0.5, seed=0)
    assert table["split"].iloc[[0, -1]].tolist() == ["dropped", "dropped"]
    # 88 images are left: 18 test, 9 validate, and half of the other 61 train.
    assert table["split"].value_counts().to_dict() == {
        "train": 31,
        "unused": 30,
        "test": 18,
        "validation": 9,
        "dropped": 2,
    }
    whole = split.plan(index, SERIES, ["a", "b"], asked(contradictory="drop"), 1, seed=0)
    assert set(rows(table, "train")) < set(rows(whole, "train"))
    assert rows(table, "test").tolist() == rows(whole, "test").tolist()


def test_no_part_goes_without_a_class():
    mirrored = index_of([*"aaaaaaaaab"], [*"123456789", "9"])
    with pytest.raises(InputError, match="drop leaves no image of class b, each is filed under another class too"):
        split.plan(mirrored, np.arange(10), ["a", "b"], asked(contradictory="drop"), 1, seed=0)
    mixed = index_of([*"ababacbcc"])  # five series, of classes ab, ab, ac, bc and c: no part can have all three
    settings = asked(by="series", test=0.3, validation=0.3)
    with pytest.raises(InputError, match=r"split: no image of class b .* falls into validation"):
        split.plan(mixed, np.array([0, 0, 1, 1, 2, 2, 3, 3, 4]), ["a", "b", "c"], settings, 1, seed=0)
