"""A study's probes: what is computed in which order, from what, and what an interrupted study finds again."""

import numpy as np
import pytest

from kidneyct.experiments import probes
from kidneyct.pipeline.errors import InputError
from kidneyct.probe import logistic, probe


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """24 images of twelve series, two classes, thumbnails that are nearly one picture within a series."""
    monkeypatch.setattr(probes, "HOME", tmp_path / "probes")
    monkeypatch.setattr(probes.joblib, "cpu_count", lambda: 1)  # in this process: others take long to start
    generator = np.random.default_rng(0)
    series = np.repeat(np.arange(12), 2)
    scans = generator.integers(0, 200, (12, 25, 25))[series] + generator.integers(0, 5, (24, 25, 25))
    names = np.array([f"a/{number}.png" for number in range(24)])
    return probes.Images(names, series % 2, series, scans.astype("uint8"), np.full((24, 2), 512))


def features(shared, signal, seed=1):
    """80 columns, the first 64 of which are a first block's."""
    return np.random.default_rng(seed).normal(size=(24, 80)) + signal * shared.codes[:, None]


def test_series_are_numbered_by_their_images_whichever_there_are():
    images = ["b/10.png", "b/9.png", "a/2.png", "a/10.png", "b/11.png"]
    series = np.array([7, 7, 5, 2, 3])
    assert probes.numbered(series, images).tolist() == [2, 2, 0, 1, 3]
    assert probes.numbered(series[[0, 2, 4]], [images[n] for n in (0, 2, 4)]).tolist() == [1, 0, 2]


def test_every_model_by_one_cut_comes_before_the_next():
    models = ["imagenet", "random 0", "random 1", *probes.BASELINES]
    tasks = probes.tasks(models, 7)
    assert {task.model for task in tasks[:7]} == set(models)
    assert all(task.cut == 0 and task.share == 1 and task.part in (probe.ALL, task.model) for task in tasks[:7])
    assert len(tasks) == len(set(tasks)) == 7 * 7 + 3 * 5 * 3 + 3 * 3 * 3 + 3 * 3  # whole, blocks, shares, beyond


def test_each_image_is_told_by_a_model_that_has_not_seen_its_fold(shared):
    values, task = features(shared, 1.0), probes.Task("imagenet", "block 1", 4)
    fold = logistic.dealt(shared.codes, shared.series, 3, 4)
    found = probes.out_of_fold(task, values, shared, fold, 8, shared.series)
    for number in range(3):
        rest = np.flatnonzero(fold != number)
        own = shared.codes[rest], shared.series[rest], shared.series[rest]
        model = logistic.tuned(values[rest][:, :64], *own, 2, 8, seed=4)
        expected = logistic.probabilities(model, values[fold == number][:, :64])
        np.testing.assert_allclose(found["probabilities"][fold == number], expected, atol=1e-6)
        assert found["strengths"][number] == model.strength


@pytest.mark.parametrize("by", ["series", "image"])
def test_the_nearest_thumbnail_is_of_another_fold(shared, by):
    fold = probes.cut(shared, 3, 0, by)
    task = probes.Task("nearest thumbnail", "nearest thumbnail", 0)
    found = probes.out_of_fold(task, shared.thumbnails, shared, fold, 8, shared.series)["probabilities"]
    correlations = np.corrcoef(shared.thumbnails.reshape(24, -1).astype(float))
    for image in range(24):
        rest = np.flatnonzero(fold != fold[image])
        nearest = rest[correlations[image, rest].argmax()]
        assert found[image].tolist() == np.eye(2)[shared.codes[nearest]].tolist()
    split = fold[::2] != fold[1::2]  # the series that do not lie in one fold: a neighbour gives an image away
    assert split.any() == (by == "image")
    assert (found.argmax(axis=1) == shared.codes)[np.repeat(split, 2)].all()


def test_features_that_know_nothing_add_nothing_to_the_acquisition_and_such_that_know_do(shared):
    fold = logistic.dealt(shared.codes, shared.series, 2, 0)

    def loss(signal):
        task = probes.Task("imagenet", probes.WITH_ACQUISITION, 0)
        found = probes.out_of_fold(task, features(shared, signal), shared, fold, 8, shared.series)["probabilities"]
        return logistic.log_losses(found, shared.codes).mean()

    assert loss(5.0) < 0.3 < 0.5 < loss(0.0)


def test_a_share_is_of_each_classs_series_and_shares_are_nested(shared):
    few, more = (probes.share_of(shared.codes, shared.series, share, 3) for share in (0.1, 0.5))
    for code in (0, 1):
        assert len(np.unique(shared.series[few & (shared.codes == code)])) == 2  # two of six at least
        assert len(np.unique(shared.series[more & (shared.codes == code)])) == 3
    assert np.all(more[few])
    assert few.sum() == 8  # whole series


def test_what_is_there_is_not_computed_again_and_counts_where_all_models_have_it(shared, monkeypatch):
    made = []

    def fit(task, values, *_):
        made.append(task)
        return {"probabilities": values[:, :2], "strengths": np.ones(3), "edges": np.array(["none"] * 3)}

    monkeypatch.setattr(probes, "out_of_fold", fit)
    names = ("imagenet", "random 0", "random 1", "acquisition")
    models = {name: features(shared, 1.0, seed) for seed, name in enumerate(names)}
    parts = dict.fromkeys(models, probe.ALL) | {"acquisition": "acquisition"}
    wanted = [probes.Task(name, part, cut) for cut in range(2) for name, part in parts.items()]
    kept = probes.places(wanted, models, shared, 3, 8)
    assert len(set(kept.values())) == 8
    probes.compute({task: path for task, path in kept.items() if task.cut == 0}, models, shared, 3, 8)
    found, chosen = probes.gathered(kept)
    assert {key: values.shape for key, values in found.items()} == {
        ("imagenet", probe.ALL, 1.0): (1, 1, 24, 2),
        ("random", probe.ALL, 1.0): (2, 1, 24, 2),
        ("acquisition", "acquisition", 1.0): (1, 1, 24, 2),
    }
    assert len(chosen["random", probe.ALL, 1.0]) == 6  # draws, folds
    probes.compute(kept, models, shared, 3, 8)
    assert made == wanted  # each once
    found, _ = probes.gathered(kept)
    assert found["random", probe.ALL, 1.0].shape == (2, 2, 24, 2)
    np.testing.assert_array_equal(found["random", probe.ALL, 1.0][1, 1], models["random 1"][:, :2])
    kept[probes.Task("random 1", probe.ALL, 1)].unlink()
    assert probes.gathered(kept)[0]["imagenet", probe.ALL, 1.0].shape == (1, 1, 24, 2)
    # Other features, folds or ways of cutting are another result.
    other = probes.places(wanted, models | {"random 1": models["random 0"] + 1}, shared, 3, 8)
    assert [task.model for task in wanted if other[task] != kept[task]] == ["random 1"] * 2
    for how in ((2, 8), (3, 9), (3, 8, "block"), (3, 8, "image")):
        assert not set(probes.places(wanted, models, shared, *how).values()) & set(kept.values())


def test_blocks_keep_neighbouring_series_together(shared):
    fold = probes.cut(shared, 3, 5, "block")
    for code in (0, 1):
        of_series = fold[shared.codes == code][::2]  # in the order of their numbers, on a circle
        assert np.bincount(of_series).tolist() == [2, 2, 2]
        assert sum(of_series != np.roll(of_series, 1)) == 3
    with pytest.raises(InputError, match=r"^probes\.folds: expected at most 6, .* of the rarest class, found 7$"):
        probes.places([], {}, shared, 7, 8)
