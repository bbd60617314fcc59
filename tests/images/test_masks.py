"""Lesion masks: whose they are, what they show, and which are refused before anything is trained."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from kidneyct.images import archive, masks
from kidneyct.pipeline.errors import InputError

LESION = np.array([[0, 255], [0, 0]], np.uint8)
IMAGES = [archive.Image(name, "Cyst", name) for name in ("Cyst/a.jpg", "Cyst/b.jpg", "Cyst/é.jpg")]


def make_masks(path, files, form="PNG"):
    """A zip of masks: name -> pixels, or the bytes of a file."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            if isinstance(content, np.ndarray):
                buffer = io.BytesIO()
                Image.fromarray(content).save(buffer, form)
                content = buffer.getvalue()
            file.writestr(f"masks/{name}", content)
    return path


def test_masks_belong_to_images_by_name_and_no_mask_is_no_lesion(tmp_path):
    path = make_masks(tmp_path / "a.zip", {"Cyst/a.png": LESION})
    found = masks.read(path, ["Normal/a.jpg", "Cyst/a.jpg"])
    assert found.tolist() == [[[False, False], [False, False]], [[False, True], [False, False]]]
    assert masks.read(path, ["Normal/a.jpg"]) is None
    assert masks.read(make_masks(tmp_path / "b.zip", {}), ["Cyst/a.jpg"]) is None
    assert [masks.check(path, IMAGES), masks.check(tmp_path / "b.zip", IMAGES)] == [1, 0]


def test_a_dark_colour_is_a_lesion_too(tmp_path):
    blue = np.zeros((2, 2, 3), np.uint8)
    blue[0, 1, 2] = 1  # as grey it is 0.114, black
    found = masks.read(make_masks(tmp_path / "a.zip", {"Cyst/a.png": blue}), ["Cyst/a.jpg"])
    assert found.tolist() == [[[False, True], [False, False]]]


TRANSPARENT = np.dstack([np.full((2, 2, 3), 255, np.uint8), LESION])


@pytest.mark.parametrize(
    ("files", "form", "line"),
    [
        ({"Cyst/a.jpg": LESION}, "JPEG", r"PNG files under masks/, found masks/Cyst/a\.jpg; .*\(JPEG blurs its edge\)"),
        ({"Cyst/a.png": LESION}, "JPEG", r"masks/Cyst/a\.png: not a readable image as PNG \(no known format\)"),
        ({"Cyst/a.png": TRANSPARENT}, "PNG", r"masks/Cyst/a\.png: expected an opaque picture"),
        (
            {"Cyst/a.png": LESION, "Cyst/b.png": LESION[:1]},
            "PNG",
            r"masks of one size, found \(1, 2\) \(masks/Cyst/b\.png\), \(2, 2\) \(masks/Cyst/a\.png\)",
        ),
        ({"Cyst/a.png": LESION, "Cyst/a.PNG": LESION}, "PNG", "expected one mask for Cyst/a, found"),
        ({"Cyst/A.png": LESION}, "PNG", r"expected 'masks/Cyst/A\.png' to be called as its image is, 'Cyst/a\.jpg'"),
        ({"Cyst/e\u0301.png": LESION}, "PNG", r"expected 'masks/Cyst/e\\u0301\.png' to be .* 'Cyst/\\xe9\.jpg'"),
    ],
)
def test_a_mask_that_would_be_measured_wrongly(tmp_path, files, form, line):
    with pytest.raises(InputError, match=line) as caught:
        masks.check(make_masks(tmp_path / "a.zip", files, form), IMAGES)
    assert "\n" not in str(caught.value)


def test_a_mask_of_two_images_is_refused_and_of_none_is_named(tmp_path, capsys):
    path = make_masks(tmp_path / "a.zip", {"Cyst/a.png": LESION, "Cyst/z.png": LESION, "Cyst/.hidden": b""})
    assert masks.check(path, IMAGES) == 2
    assert "masks of no image, not used: masks/Cyst/z.png\n" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"expected one image for masks/Cyst/a\.png, found Cyst/a\.jpg, Cyst/a\.png"):
        masks.check(path, [*IMAGES, archive.Image("Cyst/a.png", "Cyst", "")])
