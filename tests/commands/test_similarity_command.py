"""`kidneyct similarity` prints the table of the data in the folder."""

import shutil

import numpy as np
import pandas as pd

from kidneyct import __main__ as door


def test_a_line_for_each_threshold(tmp_path, monkeypatch, capsys):
    shutil.copy("params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert door.main(["similarity"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: data/index.csv: not there; run dvc repro, or dvc pull where it was run before\n",
    )

    (tmp_path / "data").mkdir()
    thumbnails = np.repeat(np.random.default_rng(0).integers(0, 256, (6, 25, 25), np.uint8), 2, axis=0)
    np.save(tmp_path / "data/thumbnails.npy", thumbnails)
    index = pd.DataFrame({"image": list("abcdefghijkl"), "label": ["01", "NA"] * 6, "sha256": range(12)}).assign(
        width=1, height=1
    )
    index.to_csv(tmp_path / "data/index.csv", index=False)
    assert door.main(["similarity"]) == 0
    first, heading, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith("12 images; series.similarity is 0.")
    assert heading.split()[:5] == ["similarity", "series", "single", "mixed", "purity"]
    assert [row.split()[0] for row in rows][::10] == ["0.9", "0.9995"]
    assert rows[0].split()[:5] == ["0.9", "6", "0", "6", "0.5"]  # each picture twice, once under each class
