"""`kidneyct phantom`: a folder that `data.source` takes."""

from kidneyct.sources import phantom, user_images


def test_what_it_writes_is_a_source_of_known_patients(tmp_path, run):
    folder = tmp_path / "a b"
    said = f"{folder}: 4 DICOM files of 4 patients, and their masks\ndvc exp run -S data.source='{folder}'\n"
    assert run("phantom", folder, "--patients", "1", "--slices", "1", "--seed", "5") == (0, said, "")
    members = dict(user_images.members(str(folder), phantom.CLASSES))
    assert members["patients.csv"].decode().count("\n") == 5
    assert sum(name.startswith("masks/") for name in members) == 4
    line = f"error: {folder}: expected a new or empty folder, found another; choose another name\n"
    status, _, err = run("phantom", folder)
    assert (status, err) == (2, line)
