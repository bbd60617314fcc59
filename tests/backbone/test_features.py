"""The frozen blocks' output, kept in 16 bits, and the means of all blocks."""

import io

import numpy as np
import pytest

from kidneyct.backbone import devices, features, forward, vgg
from kidneyct.files import checkpoint
from kidneyct.pipeline.errors import InputError


def computed(base, images, folder, frozen_blocks=5):
    """Compute features in a folder, where an interrupted run may have left some; the bytes of both files."""
    (folder / "work").mkdir(exist_ok=True)
    work, paths = checkpoint.Checkpoint(folder / "work", "features"), (folder / "f.npy", folder / "p.npy")
    features.compute(base, images, "unit", frozen_blocks, *paths, work)
    return [path.read_bytes() for path in paths]


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(features, "BATCH_SIZE", 4)
        yield


@pytest.fixture(scope="module")
def base():
    devices.prepare(seed=0)
    return vgg.base(32)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (16, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def uninterrupted(base, images, tmp_path_factory):
    """Both files' content of 16 images in four batches, as they come without an interruption."""
    return computed(base, images, tmp_path_factory.mktemp("features"))


def test_what_is_cached_takes_no_more_room_than_the_images():
    # At 200 pixels the images take 120,000 bytes, block 4's output 12·12·512·2 = 147,456, block 5's 36,864.
    assert [features.cached(200, blocks) for blocks in range(6)] == [False] * 5 + [True]


def test_16_bits_lose_nothing_that_matters(base, images, uninterrupted):
    """A random start's features, which are tiny, against 32 bits."""
    kept = np.load(io.BytesIO(uninterrupted[0]))
    exact = forward.function(vgg.frozen_part(base, "unit", 5))(images)
    assert kept.dtype == np.float16
    assert 1e-5 < exact.mean() < 1e-2
    # Half a step of float16: 2^-11 of a value, or 2^-25 below 2^-14.
    assert np.all(np.abs(kept - exact) <= np.maximum(np.abs(exact) * 2.0**-11, 2.0**-25) * 1.01)
    assert np.sqrt(np.mean((kept - exact) ** 2)) < 1e-3 * exact.std()


def test_pooled_features_are_each_blocks_mean_also_where_the_others_take_too_much_room(
    base, images, uninterrupted, tmp_path, monkeypatch
):
    others, pooled = computed(base, images[:6], tmp_path, frozen_blocks=0)
    assert np.load(io.BytesIO(others)).shape == (0,)
    found, whole = np.load(io.BytesIO(pooled)), np.load(io.BytesIO(uninterrupted[1]))
    assert (whole.shape, whole.dtype) == ((16, 64 + 128 + 256 + 512 + 512), np.float32)
    assert np.array_equal(found, whole[:6])
    expected, x = [], images[:6]
    for layer in vgg.frozen_part(base, "unit", 5).layers[1:]:
        x = layer(x)
        if layer.name.endswith("pool"):
            expected.append(np.asarray(x, float).mean(axis=(1, 2)))
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-4, atol=2e-8)
    monkeypatch.setattr(devices, "gpus", lambda: ["one"])  # where Keras computes it all
    for kept in (0, 5):
        block, means = forward.pooled(base, "unit", kept)(images[:6])
        assert (block is None) == (not kept)
        np.testing.assert_allclose(means, found, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    ("factor", "line"), [(50, "don't fit 16 bits"), (1e-3, "nothing to learn from; the initial weights don't")]
)
def test_features_that_16_bits_cannot_hold_are_an_error(images, tmp_path, factor, line):
    base = vgg.base(32)
    for layer in base.layers:
        layer.set_weights([weight * factor for weight in layer.get_weights()])
    with pytest.raises(InputError, match=line):
        computed(base, images[:6], tmp_path)


def interrupt(monkeypatch, after, *given):
    """Features that are saved after every batch and interrupted after some of these savings."""
    save, calls = checkpoint.Checkpoint.save, []

    def interrupted(*given, **arrays):
        save(*given, **arrays)
        calls.append(given)
        if len(calls) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "SHARE", float("inf"))
        patched.setattr(checkpoint.Checkpoint, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            computed(*given)


def test_an_interruption_changes_no_byte(base, images, uninterrupted, tmp_path, monkeypatch, capsys):
    for after in (2, 1):
        interrupt(monkeypatch, after, base, images, tmp_path)
        assert not (tmp_path / "f.npy").exists()
    # What was written after the last saving may be anything.
    with (tmp_path / "work/f.npy").open("r+b") as file:
        file.seek(128 + 12 * 512 * 2)
        file.write(b"torn")
    assert computed(base, images, tmp_path) == uninterrupted
    lines = ["features: goes on at image 9 of 16", "features: goes on at image 13 of 16"]
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("name", ["f.npy", "p.npy"])
def test_damaged_features_are_computed_again(base, images, uninterrupted, tmp_path, monkeypatch, capsys, name):
    interrupt(monkeypatch, 2, base, images, tmp_path)
    path = tmp_path / "work" / name
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    capsys.readouterr()
    assert computed(base, images, tmp_path) == uninterrupted
    line = f"features: {path}: damaged, as an interruption may leave it; what it held is computed again\n"
    assert capsys.readouterr().out == line
