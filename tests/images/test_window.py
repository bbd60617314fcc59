"""Windows, against DICOM's own pseudo-code and numbers by hand."""

import io

import ct
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from pydicom.pixels import apply_windowing

from kidneyct.images import decoding, window
from kidneyct.pipeline.errors import InputError


def test_the_example_of_the_standard():
    """PS3.3 C.11.2.1.2.1: centre 2048 and width 4096 reach from 0 to 4095; width 1 knows two greys."""
    assert window.linear([-1, 0, 4095, 5000], 2048, 4096).tolist() == [0, 0, 255, 255]
    assert window.linear([2047, 2048], 2048, 4096).tolist() == [127, 128]  # 127.47 and 127.53
    assert window.linear([-1, 0, 1], 0, 1).tolist() == [0, 255, 255]  # up to -0.5 is black
    assert window.linear([39, 40, 41], 40, 1).tolist() == [0, 255, 255]


@pytest.mark.parametrize(("centre", "width"), [(40, 400), (45, 380), (-600, 1500), (50.5, 2), (0, 1.5)])
def test_greys_are_those_of_pydicom(centre, width):
    values = np.arange(-2000, 2000, dtype="int16")
    data = ct.dataset(np.zeros((2, 2), "uint16"), WindowCenter=centre, WindowWidth=width, RescaleIntercept=0)
    expected = apply_windowing(values, data) * 255 / 65535  # its output has 16 bits
    assert np.abs(window.linear(values, centre, width) - expected).max() <= 0.51


def test_a_slice_goes_through_a_png_and_back():
    units = np.array([[-32768, -1000, 0], [40, 1000, 32767]], np.int16)
    content = window.encode(units, (40, 400))
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.mode, window.own(picture, "a")) == ("I;16", (True, (40, 400)))
        assert (np.asarray(picture).astype(int) - 32768).tolist() == units.tolist()
    assert content == window.encode(units, (40, 400))
    for chosen, expected in (("file", (40, 400)), ([0, 2000], (0, 2000))):
        decoded = np.asarray(decoding.decode(content, "a", chosen=chosen))
        np.testing.assert_array_equal(decoded, np.repeat(window.linear(units, *expected)[..., None], 3, axis=2))
    usual = np.asarray(decoding.decode(window.encode(units, None), "a", chosen="file"))[..., 0]
    np.testing.assert_array_equal(usual, window.linear(units, 40, 400))


def deep(text=(), **options):
    said, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    for keyword, value in text:
        said.add_text(keyword, value)
    values = np.array([[0, 1000], [2000, 65535]], np.uint16)
    Image.fromarray(values).save(buffer, "PNG", pnginfo=said, **options)
    return buffer.getvalue()


def test_another_png_of_16_bits_needs_a_window_of_its_stored_values():
    greys = np.asarray(decoding.decode(deep(), "a.png", chosen=[1000, 2001]))[..., 0]
    assert greys.tolist() == [[0, 128], [255, 255]]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    greys = np.asarray(decoding.decode(deep(exif=exif), "a.png", chosen=[1000, 2001]))[..., 0]
    assert greys.tolist() == [[255, 0], [255, 128]]
    with pytest.raises(InputError) as caught:
        decoding.decode(deep(), "a.png", chosen="file")
    assert str(caught.value) == (
        "a.png: expected 8 bits a channel, found mode I;16, which does not say what its values mean; set "
        "preprocess.window to [centre, width] of them, or convert it first"
    )


@pytest.mark.parametrize(
    "said", [["1024", None, None], ["32768", "4", None], ["32768", "4", "nan"], ["32768", "x", "9"]]
)
def test_what_a_png_says_of_itself_is_checked(said):
    keywords = ("HounsfieldOffset", "WindowCentre", "WindowWidth")
    content = deep([(keyword, value) for keyword, value in zip(keywords, said, strict=True) if value])
    with pytest.raises(InputError) as caught:
        decoding.decode(content, "a.png", chosen="file")
    assert str(caught.value) == f"a.png: expected HounsfieldOffset 32768 and a window in its text, found {said}"


def test_other_deep_pictures_are_refused_as_before():
    with pytest.raises(InputError, match=r"a\.png: expected an opaque picture, found a transparent grey"):
        decoding.decode(deep(transparency=1000), "a.png", chosen=[40, 400])
    with pytest.raises(InputError, match=r"found mode I;16; convert it first"):
        decoding.decode(deep(), "masks/a.png", formats=("PNG",))
