"""The frozen blocks' output, kept in 16 bits."""

import io

import numpy as np
import pytest

from kidneyct.backbone import devices, features, forward, vgg
from kidneyct.files import checkpoint
from kidneyct.pipeline.errors import InputError


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)


def work(folder):
    (folder / "work").mkdir(exist_ok=True)
    return checkpoint.Checkpoint(folder / "work", "features")


def test_what_is_cached_takes_no_more_room_than_the_images():
    # At 200 pixels the images take 120,000 bytes, block 4's output 12·12·512·2 = 147,456, block 5's 36,864.
    assert [features.cached(200, blocks) for blocks in range(6)] == [False] * 5 + [True]


def test_16_bits_lose_nothing_that_matters(tmp_path, pixels):
    """A random start's features, which are tiny, against 32 bits."""
    devices.prepare(seed=0)
    base = vgg.base(32)
    features.compute(base, pixels, "unit", 5, tmp_path / "f.npy", tmp_path / "p.npy", work(tmp_path))
    kept = np.load(tmp_path / "f.npy", mmap_mode="r")
    exact = forward.function(vgg.frozen_part(base, "unit", 5))(pixels)
    assert kept.dtype == np.float16
    assert 1e-5 < exact.mean() < 1e-2
    # Half a step of float16: 2^-11 of a value, or 2^-25 below 2^-14.
    assert np.all(np.abs(kept - exact) <= np.maximum(np.abs(exact) * 2.0**-11, 2.0**-25) * 1.01)
    assert np.sqrt(np.mean((kept - exact) ** 2)) < 1e-3 * exact.std()


def test_features_that_16_bits_cannot_hold_are_an_error(tmp_path, pixels):
    silent = "nothing to learn from; the initial weights don't pass a signal on$"
    for factor, line in ((50, "don't fit 16 bits"), (1e-3, silent)):
        base = vgg.base(32)
        for layer in base.layers:
            layer.set_weights([weight * factor for weight in layer.get_weights()])
        with pytest.raises(InputError, match=line):
            features.compute(base, pixels, "unit", 5, tmp_path / "f.npy", tmp_path / "p.npy", work(tmp_path))


def test_black_images_are_not_blamed_on_the_weights(tmp_path):
    images = np.zeros((40, 32, 32, 3), np.uint8)
    line = (
        "the greatest feature is 0, nothing to learn from; each of the 40 images is of one colour throughout; look at "
    )
    with pytest.raises(InputError, match=line):
        features.compute(vgg.base(32), images, "unit", 1, tmp_path / "f.npy", tmp_path / "p.npy", work(tmp_path))


def interrupt(monkeypatch, folder, after, base, images):
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
            features.compute(base, images, "unit", 5, folder / "f.npy", folder / "p.npy", work(folder))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Weights, 100 images in four batches, and their features as they come without an interruption."""
    folder = tmp_path_factory.mktemp("features")
    devices.prepare(seed=0)
    base = vgg.base(32)
    images = np.random.default_rng(1).integers(0, 256, (100, 32, 32, 3), np.uint8)
    features.compute(base, images, "unit", 5, folder / "f.npy", folder / "p.npy", work(folder))
    return base, images, *((folder / name).read_bytes() for name in ("f.npy", "p.npy"))


def test_pooled_features_are_each_blocks_mean_also_where_the_others_take_too_much_room(uninterrupted, tmp_path):
    base, images, _, pooled = uninterrupted
    features.compute(base, images, "unit", 0, tmp_path / "f.npy", tmp_path / "p.npy", work(tmp_path))
    assert np.load(tmp_path / "f.npy").shape == (0,)
    assert (tmp_path / "p.npy").read_bytes() == pooled
    network = vgg.frozen_part(base, "unit", 5)
    expected, x = [], images
    for layer in network.layers[1:]:
        x = layer(x)
        if layer.name.endswith("pool"):
            expected.append(np.asarray(x, float).mean(axis=(1, 2)))
    found = np.load(io.BytesIO(pooled))
    assert (found.shape, found.dtype) == ((100, 64 + 128 + 256 + 512 + 512), np.float32)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-4, atol=2e-8)


def test_an_interruption_changes_no_byte(uninterrupted, tmp_path, monkeypatch, capsys):
    base, images, expected, pooled = uninterrupted
    for after in (2, 1):
        interrupt(monkeypatch, tmp_path, after, base, images)
        assert not (tmp_path / "f.npy").exists()
    # What was written after the last saving may be anything.
    with (tmp_path / "work/f.npy").open("r+b") as file:
        file.seek(128 + 96 * 512 * 2)
        file.write(b"torn")
    features.compute(base, images, "unit", 5, tmp_path / "f.npy", tmp_path / "p.npy", work(tmp_path))
    assert (tmp_path / "f.npy").read_bytes() == expected
    assert (tmp_path / "p.npy").read_bytes() == pooled
    lines = ["features: goes on at image 65 of 100", "features: goes on at image 97 of 100"]
    assert capsys.readouterr().out.splitlines() == lines


@pytest.mark.parametrize("damage", ["one bit", "truncated", "pooled"])
def test_damaged_features_are_computed_again(uninterrupted, tmp_path, monkeypatch, capsys, damage):
    base, images, expected, pooled = uninterrupted
    interrupt(monkeypatch, tmp_path, 2, base, images)
    path = tmp_path / "work" / ("p.npy" if damage == "pooled" else "f.npy")
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content if damage == "one bit" else content[:200])
    capsys.readouterr()
    features.compute(base, images, "unit", 5, tmp_path / "f.npy", tmp_path / "p.npy", work(tmp_path))
    line = f"features: {path}: damaged, as an interruption may leave it; what it held is computed again\n"
    assert capsys.readouterr().out == line
    assert (tmp_path / "f.npy").read_bytes() == expected
    assert (tmp_path / "p.npy").read_bytes() == pooled
