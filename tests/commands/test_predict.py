"""`kidneyct predict`: which class, how sure, and does the image look like the training images?"""

import json
import os
import shutil
from pathlib import Path

import ct
import finished
import numpy as np
import pytest
from PIL import Image
from whole_run import CLASSES, SIDE

from kidneyct.images import decoding, grey, window


def test_probabilities_are_the_networks_and_bad_files_are_named(workspace, inputs, run):
    folder, network = workspace
    status, out, err = run("predict", inputs, "--workspace", folder, "--json")
    document = json.loads(out)
    assert status == 1
    assert [Path(result["file"]).name for result in document["predictions"]] == ["0.png", "1.png", "2.png"]
    pixels = np.stack([decoding.tensor(Image.open(inputs / f"{n}.png").convert("RGB"), SIDE) for n in range(3)])
    expected = network.predict(pixels, verbose=0)
    for result, row in zip(document["predictions"], expected, strict=True):
        assert list(result["probabilities"].values()) == pytest.approx(row, abs=1e-5)
        assert result["class"] == CLASSES[row.argmax()]
        assert result["probability"] == pytest.approx(row.max(), abs=1e-5)
        assert result["unlike"] == (result["file"] == str(inputs / "2.png"))
    reasons = {Path(problem["file"]).name: problem["error"] for problem in document["errors"]}
    assert reasons.keys() == {"text.jpg", "cut.jpg"}
    assert reasons["text.jpg"] == "not a readable image (no known format); replace or remove it"
    assert "truncated" in reasons["cut.jpg"]
    assert err.count("error: ") == 2
    assert "not for clinical use" in err


def test_images_give_a_table_and_pictures_and_one_that_can_t_be_written_is_named(workspace, inputs, tmp_path, run):
    copy, long, broken = (tmp_path / name for name in ("0.png", "n" * 255, os.fsdecode(b"b\xe9d\n.png")))
    for file in (copy, long, broken):
        file.write_bytes((inputs / "0.png").read_bytes())
    drawn = tmp_path / "drawn"
    files = (inputs / "0.png", long, broken, copy, copy)  # one of them twice
    status, out, err = run("predict", *files, "--workspace", workspace[0], "--explain", drawn)
    assert status == 1
    first, *lines = out.splitlines()
    assert first.split()[0] == "file"
    assert [line.split()[0] for line in (lines[0], lines[3])] == [str(inputs / "0.png"), str(copy)]
    assert lines[2].startswith(f"'{tmp_path}/b\\udce9d\\n.png'  ")
    assert sorted(os.listdir(os.fsencode(drawn))) == [b"0-2.png", b"0.png", b"b\xe9d\n.png"]
    assert Image.open(drawn / "0.png").size[0] > 600
    assert ": its maps are not written: " in err
    assert "File name too long" in err


def test_images_are_seen_as_the_run_s_were(workspace, tmp_path, run):
    """As dvc.lock has it: DICOM through another window than the file's own, and matched greys."""
    folder, other = workspace[0], tmp_path / "other"
    shutil.copytree(folder, other)
    seen = {"preprocess.window": [-500, 1500], "preprocess.grey": "matched"}
    finished.relocked(other, lambda stages: stages["preprocess"]["params"]["params.yaml"].update(seen))
    ct.put(tmp_path, {"scan": ct.file(WindowCenter=40, WindowWidth=80), "mr": ct.shipped("MR_small.dcm")})
    for number, (window_, changed) in enumerate((((40, 80), np.asarray), ((-500, 1500), grey.matched))):
        Image.fromarray(changed(window.linear(ct.RAMP - 1024, *window_))).save(tmp_path / f"{number}.png")
    files = [tmp_path / name for name in ("scan", "0.png", "1.png")]
    plain, *expected = json.loads(run("predict", *files, "--workspace", folder, "--json")[1])["predictions"]
    status, out, err = run("predict", files[0], tmp_path / "mr", "--workspace", other, "--json")
    for scan, result in zip([plain, *json.loads(out)["predictions"]], expected, strict=True):
        for name in ("probability", "probabilities"):  # the last digits may go with the place in a batch
            assert scan.pop(name) == pytest.approx(result.pop(name), abs=1e-4)
        assert scan | {"file": ""} == result | {"file": ""}
    assert (status, f"error: {tmp_path / 'mr'}: no CT image but MR Image Storage\n" in err) == (1, True)
