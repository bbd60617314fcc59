"""`kidneyct predict`: which class, how sure, and does the image look like the training images?"""

import json
import os
import shutil
import struct
import zlib
from pathlib import Path

import ct
import finished
import numpy as np
import pytest
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from whole_run import CLASSES, SIDE, slices

from kidneyct import __main__ as door
from kidneyct.images import decoding, grey, window
from kidneyct.predict import prediction


@pytest.fixture
def inputs(tmp_path):
    """A folder of two good images, and files that are none."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, picture in enumerate(slices(0, 2)):
        Image.fromarray(picture).save(folder / f"{number}.png")
    (folder / "text.jpg").write_text("no picture")
    Image.fromarray(np.zeros((40, 40), np.uint16)).save(folder / "deep.png")
    Image.fromarray(slices(1, 1)[0]).save(tmp_path / "whole.jpg")
    (folder / "truncated.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-200])
    (folder / "huge.png").write_bytes(huge_png(20_000))
    comment = PngInfo()
    comment.add_text("note", "0" * 2_000_000, zip=True)
    Image.fromarray(slices(1, 1)[0]).save(folder / "wordy.png", pnginfo=comment)
    return folder


def huge_png(side):
    """A PNG that says it is side × side pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def run(capsys, *arguments):
    status = door.main(["predict", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_probabilities_are_the_networks_and_bad_files_are_named(workspace, inputs, capsys):
    folder, network = workspace
    status, out, err = run(capsys, inputs, "--workspace", folder, "--json")
    document = json.loads(out)
    assert status == 1
    assert [Path(result["file"]).name for result in document["predictions"]] == ["0.png", "1.png"]
    pixels = np.stack([decoding.tensor(Image.open(inputs / f"{n}.png").convert("RGB"), SIDE) for n in (0, 1)])
    expected = network.predict(pixels, verbose=0)
    for result, row in zip(document["predictions"], expected, strict=True):
        assert list(result["probabilities"].values()) == pytest.approx(row, abs=1e-5)
        assert result["class"] == CLASSES[row.argmax()]
        assert result["probability"] == pytest.approx(row.max(), abs=1e-5)
        assert not result["unlike"]
    reasons = {Path(problem["file"]).name: problem["error"] for problem in document["errors"]}
    assert reasons.keys() == {"text.jpg", "deep.png", "truncated.jpg", "huge.png", "wordy.png"}
    assert reasons["text.jpg"] == "not a readable image (no known format); replace or remove it"
    assert "found mode I;16" in reasons["deep.png"]
    assert "truncated" in reasons["truncated.jpg"]
    assert "larger than" in reasons["huge.png"]
    assert "not a readable image (Decompressed data too large" in reasons["wordy.png"]
    assert err.count("error: ") == 5
    assert "not for clinical use" in err


def test_good_images_give_a_table_and_pictures(workspace, inputs, tmp_path, capsys):
    folder, _ = workspace
    copy = tmp_path / "elsewhere" / "0.jpg"
    copy.parent.mkdir()
    Image.open(inputs / "0.png").save(copy)
    drawn = tmp_path / "drawn"
    files = (inputs / "0.png", inputs / "1.png", copy, copy)  # one of them twice
    status, out, _ = run(capsys, *files, "--workspace", folder, "--explain", drawn)
    assert status == 0
    named = [str(path) for path in (inputs / "0.png", inputs / "1.png", copy)]
    assert [line.split()[0] for line in out.splitlines()] == ["file", *named]
    assert sorted(path.name for path in drawn.iterdir()) == ["0-2.png", "0.png", "1.png"]
    assert Image.open(drawn / "0.png").size[0] > 600
    assert Image.open(drawn / "0.png").info["Software"] == "kidneyct predict"


def test_images_are_seen_as_the_run_s_were(workspace, tmp_path, capsys):
    """As dvc.lock has it: DICOM through another window than the file's own, and matched greys."""
    folder, _ = workspace
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    tree = yaml.safe_load((other / "dvc.lock").read_text())
    seen = {"preprocess.window": [-500, 1500], "preprocess.grey": "matched"}
    tree["stages"]["preprocess"]["params"]["params.yaml"] |= seen
    finished.write(other, tree)
    ct.put(tmp_path, {"scan": ct.file(WindowCenter=40, WindowWidth=80), "mr": ct.shipped("MR_small.dcm")})
    for number, (window_, changed) in enumerate((((40, 80), np.asarray), ((-500, 1500), grey.matched))):
        Image.fromarray(changed(window.linear(ct.RAMP - 1024, *window_))).save(tmp_path / f"{number}.png")
    files = [tmp_path / name for name in ("scan", "0.png", "1.png")]
    plain, *expected = json.loads(run(capsys, *files, "--workspace", folder, "--json")[1])["predictions"]
    status, out, err = run(capsys, files[0], tmp_path / "mr", "--workspace", other, "--json")
    for scan, result in zip([plain, *json.loads(out)["predictions"]], expected, strict=True):
        for name in ("probability", "probabilities"):  # the last digits may go with the place in a batch
            assert scan.pop(name) == pytest.approx(result.pop(name), abs=1e-4)
        assert scan | {"file": ""} == result | {"file": ""}
    assert status == 1
    assert f"error: {tmp_path / 'mr'}: no CT image but MR Image Storage\n" in err


def test_what_is_asked_wrongly_is_one_line(workspace, inputs, tmp_path, capsys):
    folder, _ = workspace
    status, out, err = run(capsys, tmp_path / "none.png", "--workspace", folder)
    assert (status, out) == (1, "")
    assert f"error: {tmp_path / 'none.png'}: no such file or folder\n" in err
    status, _, err = run(capsys, inputs, "--workspace", tmp_path)
    assert (status, err.startswith(f"error: {tmp_path / 'dvc.lock'}: not there; ")) == (2, True)
    before = (inputs / "0.png").read_bytes()
    for place, line in (
        (inputs, "0.png is one of the images; choose another folder"),
        (inputs / "1.png", "expected a folder, found a file"),
        (inputs / "1.png" / "sub", "can't be made"),
    ):
        status, out, err = run(capsys, inputs / "0.png", "--workspace", folder, "--explain", place)
        assert (status, out) == (2, "")
        assert line in err
    assert (inputs / "0.png").read_bytes() == before


@pytest.mark.parametrize("make", [lambda path: Image.new("L", (3, 3)).save(path), lambda path: path.symlink_to("none")])
def test_a_picture_never_takes_the_place_of_a_file_that_is_not_its_own(workspace, inputs, tmp_path, capsys, make):
    drawn = tmp_path / "drawn"
    other = drawn / "0.png"
    drawn.mkdir()
    make(other)
    before = other.lstat()
    refusal = f"error: --explain {drawn}: {other} is there and no picture of maps; choose another folder\n"
    assert run(capsys, inputs / "0.png", "--workspace", workspace[0], "--explain", drawn) == (2, "", refusal)
    assert other.lstat() == before


def test_a_picture_that_can_t_be_written_is_named_and_all_else_goes_on(workspace, inputs, tmp_path, capsys):
    drawn = tmp_path / "drawn"
    long = tmp_path / ("n" * 255)
    broken = tmp_path / os.fsdecode(b"b\xe9d\n.png")
    for file in (long, broken):
        file.write_bytes((inputs / "0.png").read_bytes())
    status, out, err = run(capsys, long, broken, inputs / "1.png", "--workspace", workspace[0], "--explain", drawn)
    assert status == 1
    assert len(out.splitlines()) == 4
    assert f"{tmp_path}/b\\udce9d\\n.png  " in out
    assert sorted(os.listdir(os.fsencode(drawn))) == [b"1.png", b"b\xe9d\n.png"]
    assert f"error: {long}: its maps are not written: {drawn / long.name}.png: File name too long\n" in err


def test_what_is_known_is_printed_where_it_is_interrupted(workspace, inputs, capsys, monkeypatch):
    result = {"class": "Cyst", "probability": 0.7, "probabilities": {"Cyst": 0.7, "Stone": 0.3}, "likeness": None}

    def predict(model, network, files, explain):
        yield files[0], result | {"unlike": None}
        raise KeyboardInterrupt

    monkeypatch.setattr(prediction, "predict", predict)
    ask = (inputs / "0.png", inputs / "1.png", "--workspace", workspace[0])
    status, out, err = run(capsys, *ask)
    assert (status, err) == (130, "interrupted\n")
    assert out.splitlines()[1].split() == [str(inputs / "0.png"), "Cyst", "0.7000", "unknown"]
    status, out, err = run(capsys, *ask, "--json")
    assert (status, err) == (130, "interrupted\n")
    assert [result["file"] for result in json.loads(out)["predictions"]] == [str(inputs / "0.png")]
