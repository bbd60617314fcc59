"""The external test set's archive: which folders count, what is refused, and an empty one where there is none."""

import ct
import pytest

from kidneyct.images import archive, container
from kidneyct.pipeline.errors import InputError
from kidneyct.sources import user_images

CLASSES = ["Cyst", "Normal", "Stone"]


def folder(path, names):
    return ct.put(path, {name: name.encode() for name in names})


def refused(source):
    with pytest.raises(InputError) as caught:
        list(user_images.external(str(source), CLASSES))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_none_is_an_empty_archive(tmp_path):
    archive.write(tmp_path / "a.zip", user_images.external("none", CLASSES))
    with container.opened(tmp_path / "a.zip") as opened:
        assert opened.names == []
    assert archive.images(tmp_path / "a.zip", CLASSES, some=True) == []


def test_a_class_may_be_missing(tmp_path):
    source = folder(tmp_path / "theirs", ["deep/Stone/b.png", "deep/Cyst/a.jpg", "masks/Cyst/a.png"])
    archive.write(tmp_path / "a.zip", user_images.external(str(source), CLASSES))
    found = archive.images(tmp_path / "a.zip", CLASSES, some=True)
    assert [entry.image for entry in found] == ["Cyst/a.jpg", "Stone/b.png"]
    with container.opened(tmp_path / "a.zip") as opened:
        assert opened.read(found[1].member) == b"deep/Stone/b.png"


def test_an_unknown_folder_may_be_what_is_missing(tmp_path):
    folder(tmp_path / "pictures", ["Cyst/a.jpg", "normal/b.jpg", "Normal/x.txt"])
    ct.put(tmp_path / "scans", {"Cyst/a": ct.file(), "normal/b": ct.file(ct.RAMP + 1)})
    for source in ("pictures", "scans"):
        assert refused(tmp_path / source) == (
            f"{tmp_path / source}: expected folders with the names of data.classes, found normal and none of Normal, "
            "Stone; rename each to the class that it holds, or take it out"
        )
    (tmp_path / "scans/normal/b").unlink()
    members = [name for name, _ in user_images.external(str(tmp_path / "scans"), CLASSES)]
    assert [name.split("/")[-2:] for name in members[:-1]] == [["Cyst", "patient-0001-0001.png"]]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["Other/a.jpg"], "expected some of the folders Cyst, Normal, Stone with images (.jfif, .jpeg, .jpg, .png)"),
        (["Other/a.jpg"], "Cyst, Normal, Stone missing or empty; change data.classes or data.external"),
        (["train/Cyst/a.jpg", "test/Stone/b.jpg"], "in one place, found them in test, train; keep one"),
        ([], "data.external: expected none or the path of a folder or zip, found nothing at "),
    ],
)
def test_what_is_no_external_test_set_is_refused_in_a_line(tmp_path, names, line):
    assert line in refused(folder(tmp_path / "theirs", names))
