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


def pooled(shared, signal, seed=1):
    values = np.random.default_rng(seed).normal(size=(24, 1472)).astype("float32")
    values[:, 960:] += signal * shared.codes[:, None]
    return values


TASK = probes.Task("imagenet", probe.ALL, 0)
MODELS = ["imagenet", "random 0", "random 1", *probes.BASELINES]


def test_series_are_numbered_by_their_images_whichever_there_are():
    images = ["b/10.png", "b/9.png", "a/2.png", "a/10.png", "b/11.png"]
    series = np.array([7, 7, 5, 2, 3])
    assert probes.numbered(series, images).tolist() == [2, 2, 0, 1, 3]
    assert probes.numbered(series[[0, 2, 4]], [images[n] for n in (0, 2, 4)]).tolist() == [1, 0, 2]


def test_every_model_by_one_cut_comes_before_the_next(shared):
    tasks = probes.tasks(MODELS, 7)
    first = [
        task for task in tasks if task.cut == 0 and task.share == 1 and task.part in (probe.ALL, *probes.BASELINES)
    ]
    assert tasks[:7] == first
    assert {task.model for task in first} == set(MODELS)
    assert len(tasks) == len(set(tasks)) == 7 * 7 + 3 * 5 * 3 + 3 * 3 * 3 + 3 * 3  # whole, blocks, shares, beyond


def test_each_image_is_told_by_a_model_that_has_not_seen_its_fold(shared):
    values = pooled(shared, 1.0)
    fold = logistic.dealt(shared.codes, shared.series, 3, 4)
    found = probes.out_of_fold(probes.Task("imagenet", "block 5", 4), values, shared, fold, 8)
    for number in range(3):
        rest = np.flatnonzero(fold != number)
        given = shared.codes[rest], shared.series[rest], shared.series[rest]
        model = logistic.tuned(values[rest][:, 960:], *given, 2, 8, seed=4)
        expected = logistic.probabilities(model, values[fold == number][:, 960:])
        np.testing.assert_allclose(found["probabilities"][fold == number], expected, atol=1e-6)
        assert found["strengths"][number] == model.strength
    changed = values.copy()
    changed[fold == 0] += 5  # what the first fold's models are tested on
    again = probes.out_of_fold(probes.Task("imagenet", "block 5", 4), changed, shared, fold, 8)
    assert again["strengths"][0] == found["strengths"][0]


def test_the_nearest_thumbnail_is_of_another_series(shared):
    fold = logistic.dealt(shared.codes, shared.series, 3, 0)
    found = probes.out_of_fold(
        probes.Task("nearest thumbnail", "nearest thumbnail", 0), shared.thumbnails, shared, fold, 8
    )["probabilities"]
    flat = shared.thumbnails.reshape(24, -1).astype(float)
    correlations = np.corrcoef(flat)
    for image in range(24):
        rest = np.flatnonzero(fold != fold[image])
        nearest = rest[correlations[image, rest].argmax()]
        assert found[image].tolist() == np.eye(2)[shared.codes[nearest]].tolist()


def test_features_that_know_nothing_add_nothing_to_the_acquisition_and_such_that_know_do(shared):
    fold = logistic.dealt(shared.codes, shared.series, 2, 0)

    def loss(signal):
        task = probes.Task("imagenet", probes.BEYOND, 0)
        found = probes.out_of_fold(task, pooled(shared, signal), shared, fold, 8)["probabilities"]
        return logistic.log_losses(found, shared.codes).mean()

    assert loss(3.0) < 0.2 < 0.5 < loss(0.0)


def test_a_share_is_of_each_classs_series_and_shares_are_nested(shared):
    few, more = (probes.share_of(shared.codes, shared.series, share, 3) for share in (0.1, 0.5))
    for code in (0, 1):
        assert len(np.unique(shared.series[few & (shared.codes == code)])) == 2  # two of six at least
        assert len(np.unique(shared.series[more & (shared.codes == code)])) == 3
    assert np.all(more[few])
    assert few.sum() == 8  # whole series


def test_what_is_there_is_not_computed_again_and_counts_where_all_models_have_it(shared, monkeypatch):
    models = {
        "imagenet": pooled(shared, 1.0),
        "random 0": pooled(shared, 0.0, 2),
        "random 1": pooled(shared, 0.0, 3),
        "acquisition": np.arange(72.0).reshape(24, 3),
    }
    wanted = [
        probes.Task(name, "acquisition" if name == "acquisition" else probe.ALL, cut)
        for cut in range(2)
        for name in models
    ]
    kept = probes.places(wanted, models, shared, 3, 8)
    assert len(set(kept.values())) == 8
    probes.compute({task: path for task, path in kept.items() if task.cut == 0}, models, shared, 3, 8)
    first = {path: path.read_bytes() for path in kept.values() if path.exists()}
    found, chosen = probes.gathered(kept)
    assert {key: values.shape for key, values in found.items()} == {
        ("imagenet", probe.ALL, 1.0): (1, 1, 24, 2),
        ("random", probe.ALL, 1.0): (2, 1, 24, 2),
        ("acquisition", "acquisition", 1.0): (1, 1, 24, 2),
    }
    assert len(chosen["random", probe.ALL, 1.0]) == 6  # draws, folds
    probes.compute(kept, models, shared, 3, 8)
    assert {path: path.read_bytes() for path in first} == first
    assert probes.gathered(kept)[0]["random", probe.ALL, 1.0].shape == (2, 2, 24, 2)
    kept[probes.Task("random 1", probe.ALL, 1)].unlink()
    assert probes.gathered(kept)[0]["imagenet", probe.ALL, 1.0].shape == (1, 1, 24, 2)
    # Other features, folds or slices are another result.
    other = probes.places(wanted, models | {"random 1": pooled(shared, 0.0, 4)}, shared, 3, 8)
    assert [task.model for task in wanted if other[task] != kept[task]] == ["random 1"] * 2
    assert not set(probes.places(wanted, models, shared, 2, 8).values()) & set(kept.values())


def test_blocks_keep_neighbouring_series_together(shared):
    fold = probes.cut(shared, 3, 5, "block")
    for code in (0, 1):
        of_series = fold[shared.codes == code][::2]  # in the order of their numbers, on a circle
        assert np.bincount(of_series).tolist() == [2, 2, 2]
        assert sum(of_series != np.roll(of_series, 1)) == 3
    assert set(probes.places([TASK], {"imagenet": shared.thumbnails}, shared, 3, 8, "block").values()).isdisjoint(
        probes.places([TASK], {"imagenet": shared.thumbnails}, shared, 3, 8).values()
    )


def test_more_folds_than_a_class_has_series_are_one_line(shared):
    with pytest.raises(InputError, match=r"^probes\.folds: expected at most 6, as many as .* has series, found 7$"):
        probes.places([], {}, shared, 7, 8)
