"""`kidneyct phantom`: a folder that `data.source` takes."""

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
    (tmp_path / "file").touch()
    assert door.main(["phantom", str(tmp_path / "file/below")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/file/below: Not a directory\n"
