"""`kidneyct phantom`: a folder that `data.source` takes."""

import pytest

from kidneyct import __main__ as door
from kidneyct.sources import phantom, user_images


def test_what_it_writes_is_a_source_of_known_patients(tmp_path, capsys):
    folder = tmp_path / "a b"
    assert door.main(["phantom", str(folder), "--patients", "1", "--slices", "1", "--seed", "5"]) == 0
    assert capsys.readouterr().out == (
        f"{folder}: 4 DICOM files of 4 patients, and their masks\ndvc exp run -S data.source='{folder}'\n"
    )
    members = dict(user_images.members(str(folder), phantom.CLASSES))
    assert members["patients.csv"].decode().count("\n") == 5
    assert sum(name.startswith("masks/") for name in members) == 4
    assert door.main(["phantom", str(folder)]) == 2
    assert capsys.readouterr().err == (
        f"error: {folder}: expected a new or empty folder, found another; choose another name\n"
    )


@pytest.mark.parametrize("words", [["--patients", "0"], ["--slices", "101"], ["--seed", "-1"], ["--patients", "x"]])
def test_a_number_that_is_none(words, tmp_path, capsys):
    with pytest.raises(SystemExit):
        door.main(["phantom", str(tmp_path / "a"), *words])
    assert "expected a whole number from" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_an_empty_name_and_one_that_can_t_be_made(tmp_path, capsys):
    assert door.main(["phantom", ""]) == 2
    assert capsys.readouterr().err == "error: phantom: expected the name of a folder, found an empty one\n"
    (tmp_path / "file").touch()
    assert door.main(["phantom", str(tmp_path / "file/below")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/file/below: Not a directory\n"
