"""Decoding into arrays and the index; windows, against DICOM's own pseudo-code and by hand; lesion masks."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib

import ct
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from pydicom.pixels import apply_windowing

from kidneyct.files import arrays, index
from kidneyct.images import archive, decoding, grey, masks, window
from kidneyct.pipeline.errors import InputError


def saved(picture, form="PNG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def png(array):
    return saved(Image.fromarray(array))


def preprocess(folder, files, allowed=0, **options):
    """Decode the files into `folder`; the index, the rejected ones, and both arrays."""
    path = folder / "a.zip"
    archive.write(path, [(f"{archive.ROOT}/{name}", content) for name, content in files.items()])
    decoding.preprocess(path, archive.images(path, ["Cyst", "Stone"]), 32, allowed, folder, **options)
    tables = [index.read(folder / f"{name}.csv") for name in ("index", "rejected")]
    return *tables, arrays.images(folder / "images.npy"), arrays.thumbnails(folder / "thumbnails.npy")


def test_rows_follow_the_sorted_names(tmp_path):
    dark, light = np.zeros((50, 100), np.uint8), np.full((50, 50, 3), 200, np.uint8)
    table, rejected, tensors, thumbnails = preprocess(tmp_path, {"Stone/b.png": png(light), "Cyst/a.png": png(dark)})
    assert table.drop(columns="sha256").values.tolist() == [
        ["Cyst/a.png", "Cyst", 100, 50],
        ["Stone/b.png", "Stone", 50, 50],
    ]
    assert table["sha256"][0] == hashlib.sha256(png(dark)).hexdigest()
    for array, shape in ((tensors, (2, 32, 32, 3)), (thumbnails, (2, 25, 25))):
        assert (array.shape, array.dtype) == (shape, np.uint8)
        assert [np.unique(array[row]).tolist() for row in (0, 1)] == [[0], [200]]
    assert len(rejected) == 0


def test_both_arrays_hold_what_a_picture_is_changed_to(tmp_path):
    pixels = np.zeros((64, 64), np.uint8)
    pixels[16:48, 8:56] = np.random.default_rng(0).integers(50, 250, (32, 48))
    files = {"Cyst/a.png": png(pixels), "Stone/b.png": png(pixels)}
    *_, tensors, thumbnails = preprocess(tmp_path, files, grey="matched")
    matched = Image.fromarray(grey.matched(pixels))
    assert np.asarray(matched).max() > pixels.max()
    np.testing.assert_array_equal(tensors[1], decoding.tensor(matched, 32))
    np.testing.assert_array_equal(thumbnails[1], decoding.thumbnail(matched))


def test_a_thumbnail_holds_block_means():
    pixels = np.random.default_rng(0).integers(0, 256, (100, 100), np.uint8)
    means = pixels.reshape(25, 4, 25, 4).mean(axis=(1, 3))
    thumbnail = decoding.thumbnail(Image.fromarray(pixels).convert("RGB"))
    assert np.abs(thumbnail - means).max() <= 1


def test_a_grey_picture_is_as_its_three_equal_channels():
    """Against Pillow's own way with all three."""
    grey = np.random.default_rng(0).integers(0, 256, (90, 70), np.uint8)
    colours = Image.fromarray(np.repeat(grey[..., None], 3, axis=-1))
    expected = np.asarray(colours.resize((32, 32), Image.Resampling.BILINEAR))
    small = np.asarray(colours.convert("L").resize((25, 25), Image.Resampling.BOX))
    for content in (saved(colours), saved(Image.fromarray(grey)), saved(colours.convert("RGBA"))):
        picture = decoding.decode(content, "a", window=[10, 2])  # which is for 16 bits alone
        assert picture.mode == "L"
        assert picture.convert("RGB").tobytes() == colours.tobytes()
        assert np.array_equal(decoding.tensor(picture, 32), expected)
        assert np.array_equal(decoding.thumbnail(picture), small)
    for channel in range(3):
        tinted = np.array(colours)
        tinted[89, 69, channel] ^= 1
        picture = decoding.decode(saved(Image.fromarray(tinted)), "a")
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture), tinted)


GOOD = png(np.zeros((40, 40), np.uint8))
DEEP = png(np.zeros((40, 40), np.uint16))
SOME_BAD = {
    "Cyst/a.png": GOOD,
    "Cyst/b.png": b"text",
    "Stone/c.png": GOOD[:40],
    "Stone/d.png": DEEP,
    "Stone/e.png": png(np.full((40, 40), 9, np.uint8)),
}


def test_every_unreadable_image_is_named_and_left_out_where_that_is_allowed(tmp_path):
    with pytest.raises(InputError) as caught:
        preprocess(tmp_path, SOME_BAD, allowed=2)
    line = str(caught.value)
    assert line.isprintable()
    assert all(
        words in line for words in ("3 of 5 images", "Cyst/b.png", "Stone/c.png", "Stone/d.png: expected 8 bits")
    )
    assert line.endswith("rejected.csv; mend them, or leave them out with preprocess.allow_corrupt: 3 (found 2)")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "rejected.csv"]
    table, rejected, tensors, thumbnails = preprocess(tmp_path, SOME_BAD, allowed=3)
    assert table["image"].tolist() == ["Cyst/a.png", "Stone/e.png"]
    assert rejected["image"].tolist() == ["Cyst/b.png", "Stone/c.png", "Stone/d.png"]
    assert rejected["reason"][0] == "not a readable image (no known format); replace or remove it"
    assert tensors[:, 0, 0, 0].tolist() == thumbnails[:, 0, 0].tolist() == [0, 9]


def test_a_class_is_not_left_out_whole(tmp_path):
    with pytest.raises(InputError, match=r"Stone/c\.png: .*; none is left of class Stone; mend them"):
        preprocess(tmp_path, {"Cyst/a.png": GOOD, "Stone/c.png": GOOD[:40]}, allowed=9)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_stands_upright(tmp_path, form):
    lying = Image.new("RGB", (48, 32))
    lying.paste((255, 255, 255), (0, 0, 24, 32))  # its left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # its first row is the right side, its first column the top
    content = saved(lying, form, exif=exif)
    picture = decoding.decode(content, "a")
    assert [picture.getpixel((16, y)) > 127 for y in (4, 40)] == [True, False]
    table, *_ = preprocess(tmp_path, {"Cyst/a.jpg": content, "Stone/b.png": GOOD})
    assert table.loc[0, ["width", "height"]].tolist() == [32, 48]


WARNS = """
from PIL import Image
from test_images import PALETTE, decoding, saved
Image.MAX_IMAGE_PIXELS = 10
decoding.decode(saved(PALETTE, transparency=bytes([255, 255])), "a")
"""


def test_what_pillow_warns_of_is_not_printed():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", WARNS], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


GREY, COLOURS, OPAQUE = (
    Image.new(*how) for how in (("L", (4, 4), 7), ("RGB", (4, 4), (1, 2, 3)), ("RGBA", (4, 4), -1))
)
PALETTE, HIDDEN = Image.new("P", (4, 4), 1), OPAQUE.copy()
PALETTE.putpalette([10, 20, 30, 40, 50, 60])
HIDDEN.putpixel((0, 0), (255, 255, 255, 254))
INKS = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # red
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(ran) (w) file closefile\nshowpage\n%%EOF\n"  # writes a file
SIXTEEN = b"\x89PNG\r\n\x1a\n" + b"".join(  # bits of each colour
    struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    for kind, content in (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(7))),
        (b"IEND", b""),
    )
)
SEEN_THROUGH, NO_PICTURE = ("expected an opaque picture, found transparent pixels", r"not a readable image \(no known")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        *((saved(picture), SEEN_THROUGH) for picture in (HIDDEN, HIDDEN.convert("LA"))),
        *((saved(PALETTE, transparency=which), SEEN_THROUGH) for which in (1, b"\xff\x80")),
        *((saved(GREY, transparency=7), SEEN_THROUGH), (saved(COLOURS, transparency=(1, 2, 3)), SEEN_THROUGH)),
        (saved(GREY, save_all=True, append_images=[COLOURS.convert("L")]), "expected one picture, found 2, an anim"),
        (SIXTEEN, "expected 8 bits a channel, found mode RGB of 16 bits"),
        *((EPS, NO_PICTURE), (saved(GREY, "GIF"), NO_PICTURE)),
    ],
)
def test_what_is_refused_as_nobody_knows_what_it_shows(content, line):
    with pytest.raises(InputError, match=f"a.jpg: {line}"):
        decoding.decode(content, "a.jpg")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (saved(OPAQUE), 255),
        (saved(PALETTE, transparency=0), (40, 50, 60)),
        (saved(GREY, transparency=8), 7),
        (saved(INKS, "JPEG", quality=100), (255, 0, 0)),
    ],
)
def test_an_opaque_picture_is_as_it_was_whatever_its_mode(content, seen):
    assert decoding.decode(content, "a").getpixel((0, 0)) == seen


def test_a_jpeg_of_too_many_scans_is_refused(monkeypatch):
    content = saved(Image.new("L", (64, 64), 9), "JPEG", progressive=True)
    scans = content.count(b"\xff\xda")
    monkeypatch.setattr(decoding, "MOST_SCANNED", scans * 64 * 64)
    assert decoding.decode(content, "a").size == (64, 64)
    start, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    again = content[:end] + content[start:end] + content[end:]
    with pytest.raises(InputError, match=f"a: found {scans + 1} scans, too many for a JPEG of its size; save it again"):
        decoding.decode(again, "a")


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
        decoded = np.asarray(decoding.decode(content, "a", window=chosen))
        np.testing.assert_array_equal(decoded, window.linear(units, *expected))
    usual = np.asarray(decoding.decode(window.encode(units, None), "a", window="file"))
    np.testing.assert_array_equal(usual, window.linear(units, 40, 400))


def deep(text=(), **options):
    said = PngImagePlugin.PngInfo()
    for keyword, value in text:
        said.add_text(keyword, value)
    values = np.array([[0, 1000], [2000, 65535]], np.uint16)
    return saved(Image.fromarray(values), pnginfo=said, **options)


def test_another_png_of_16_bits_needs_a_window_of_its_stored_values():
    greys = np.asarray(decoding.decode(deep(), "a.png", window=[1000, 2001]))
    assert greys.tolist() == [[0, 128], [255, 255]]
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    greys = np.asarray(decoding.decode(deep(exif=exif), "a.png", window=[1000, 2001]))
    assert greys.tolist() == [[255, 0], [255, 128]]
    with pytest.raises(InputError) as caught:
        decoding.decode(deep(), "a.png", window="file")
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
        decoding.decode(content, "a.png", window="file")
    assert str(caught.value) == f"a.png: expected HounsfieldOffset 32768 and a window in its text, found {said}"


def test_other_deep_pictures_are_refused_as_before():
    with pytest.raises(InputError, match=r"a\.png: expected an opaque picture, found transparent pixels"):
        decoding.decode(deep(transparency=1000), "a.png", window=[40, 400])
    with pytest.raises(InputError, match=r"found mode I;16; convert it first"):
        decoding.decode(deep(), "masks/a.png", formats=("PNG",))


LESION = np.array([[0, 255], [0, 0]], np.uint8)
IMAGES = [archive.Image(name, "Cyst", name) for name in ("Cyst/a.jpg", "Cyst/b.jpg", "Cyst/é.jpg")]


def make_masks(path, files, form="PNG"):
    """A zip of masks: name -> pixels, or the bytes of a file."""
    with zipfile.ZipFile(path, "w") as file:
        for name, pixels in files.items():
            file.writestr(f"masks/{name}", saved(Image.fromarray(pixels), form) if len(pixels) else b"")
    return path


def test_masks_belong_to_images_by_name_and_no_mask_is_no_lesion(tmp_path):
    blue = np.zeros((2, 2, 3), np.uint8)
    blue[0, 1, 2] = 1  # as grey it is 0.114, black
    path = make_masks(tmp_path / "a.zip", {"Cyst/A.png": blue, "Cyst/e\u0301.png": LESION[::-1]})
    assert masks.read(path, ["Cyst/\xe9.jpg"]).tolist() == [[[False, False], [False, True]]]
    found = masks.read(path, ["Normal/a.jpg", "Cyst/a.jpg"])
    assert found.tolist() == [[[False, False], [False, False]], [[False, True], [False, False]]]
    assert masks.read(path, ["Normal/a.jpg"]) is None
    assert masks.read(make_masks(tmp_path / "b.zip", {}), ["Cyst/a.jpg"]) is None
    assert [masks.check(path, IMAGES), masks.check(tmp_path / "b.zip", IMAGES)] == [2, 0]


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
        ({"Cyst/a.png": LESION, "Cyst/a.PNG": LESION}, "PNG", r"one mask of an image, found 'masks/Cyst/a\.PNG' and"),
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
