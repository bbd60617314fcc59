"""`kidneyct similarity` prints the table of the data in the folder."""

import shutil

import finished
import numpy as np
import pandas as pd
import pytest

from kidneyct import __main__ as door


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    return tmp_path


def preprocess(count):
    """What the stage writes: each picture twice, once under each class."""
    thumbnails = np.repeat(np.random.default_rng(0).integers(0, 256, (count // 2, 25, 25), np.uint8), 2, axis=0)
    np.save("data/thumbnails.npy", thumbnails)
    images = [f"{number}.png" for number in range(count)]
    index = pd.DataFrame({"image": images, "label": ["01", "NA"] * (count // 2), "sha256": range(count)})
    index = index.assign(width=1, height=1)
    index.to_csv("data/index.csv", index=False)


def similarity(capsys):
    return door.main(["similarity"]), *capsys.readouterr()


def test_a_line_for_each_threshold(folder, capsys):
    missing = "error: dvc.lock: expected a finished stage preprocess, found none; run dvc repro preprocess first\n"
    assert similarity(capsys) == (2, "", missing)

    preprocess(12)
    finished.lock(folder, {})
    status, out, _ = similarity(capsys)
    assert status == 0
    first, heading, *rows = out.splitlines()
    assert first.startswith("12 images; series.similarity is 0.")
    assert heading.split()[:5] == ["similarity", "series", "single", "mixed", "purity"]
    assert [row.split()[0] for row in rows][::10] == ["0.9", "0.9995"]
    assert rows[0].split()[:5] == ["0.9", "6", "0", "6", "0.5"]  # each picture twice, once under each class


def test_index_and_thumbnails_are_of_one_run_and_of_these_parameters(folder, capsys):
    preprocess(12)
    finished.lock(folder, {"preprocess": {"preprocess.image_size": 999}})
    stale = (
        "error: data/index.csv: made with preprocess.image_size: 999, params.yaml says 200; run dvc repro preprocess\n"
    )
    assert similarity(capsys) == (2, "", stale)
    finished.lock(folder, {})
    index = (folder / "data/index.csv").read_bytes()
    preprocess(10)
    (folder / "data/index.csv").write_bytes(index)
    status, _, err = similarity(capsys)
    assert status == 2
    assert err.startswith(
        "error: data/thumbnails.npy: not the file that dvc.lock knows, but another run's; run dvc che"
    )
    (folder / "data/thumbnails.npy").unlink()
    _, _, err = similarity(capsys)
    assert err == "error: data/thumbnails.npy: not there; run dvc repro, or dvc pull where it was run before\n"
