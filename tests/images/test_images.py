"""Decoding into arrays and the index."""

import functools
import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kidneyct.files import arrays, index
from kidneyct.images import archive, decoding, grey
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
    *_, tensors, thumbnails = preprocess(tmp_path, files, changed=functools.partial(grey.seen, how="matched"))
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
        picture = decoding.decode_lean(content, "a", chosen=[10, 2])  # which is for 16 bits alone
        assert picture.mode == "L"
        assert decoding.decode(content, "a").tobytes() == colours.tobytes()
        assert np.array_equal(decoding.tensor(picture, 32), expected)
        assert np.array_equal(decoding.thumbnail(picture), small)
    for channel in range(3):
        tinted = np.array(colours)
        tinted[89, 69, channel] ^= 1
        picture = decoding.decode_lean(saved(Image.fromarray(tinted)), "a")
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
    assert [picture.getpixel((16, y))[0] > 127 for y in (4, 40)] == [True, False]
    table, *_ = preprocess(tmp_path, {"Cyst/a.jpg": content, "Stone/b.png": GOOD})
    assert table.loc[0, ["width", "height"]].tolist() == [32, 48]


def test_transparency_is_refused_and_an_opaque_picture_is_as_it_was():
    opaque = Image.fromarray(np.full((4, 4, 4), 255, np.uint8))
    assert decoding.decode(saved(opaque), "a").getpixel((0, 0)) == (255, 255, 255)
    hidden = opaque.copy()
    hidden.putpixel((0, 0), (255, 255, 255, 254))
    grey, colours = Image.new("L", (4, 4), 7), Image.new("RGB", (4, 4), (1, 2, 3))
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert decoding.decode(saved(palette, transparency=0), "a").getpixel((0, 0)) == (40, 50, 60)
    assert decoding.decode(saved(grey, transparency=8), "a").getpixel((0, 0)) == (7, 7, 7)
    for content in (
        saved(hidden),
        saved(hidden.convert("LA")),
        saved(grey, transparency=7),
        saved(palette, transparency=1),
        saved(palette, transparency=b"\xff\x80"),
        saved(colours, transparency=(1, 2, 3)),
    ):
        with pytest.raises(InputError, match="a: expected an opaque picture, found transparent pixels"):
            decoding.decode(content, "a")


def test_an_animation_and_a_jpeg_of_too_many_scans_are_refused(monkeypatch):
    frames = [Image.new("L", (4, 4), grey) for grey in (0, 99)]
    with pytest.raises(InputError, match="a: expected one picture, found 2, an animation"):
        decoding.decode(saved(frames[0], save_all=True, append_images=frames[1:]), "a")
    content = saved(Image.new("L", (64, 64), 9), "JPEG", progressive=True)
    scans = content.count(b"\xff\xda")
    monkeypatch.setattr(decoding, "MOST_SCANNED", scans * 64 * 64)
    assert decoding.decode(content, "a").size == (64, 64)
    start, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    again = content[:end] + content[start:end] + content[end:]
    with pytest.raises(InputError, match=f"a: found {scans + 1} scans, too many for a JPEG of its size; save it anew"):
        decoding.decode(again, "a")


def test_sixteen_bits_of_colour_are_refused_too():
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(7))) + chunk(b"IEND", b"")
    with pytest.raises(InputError, match="expected 8 bits a channel, found mode RGB of 16 bits"):
        decoding.decode(content, "a")


def test_four_inks():
    inks = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # red
    red, green, blue = decoding.decode(saved(inks, "JPEG", quality=100), "a").getpixel((4, 4))
    assert (red > 240, max(green, blue) < 15) == (True, True)


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(ran) (w) file closefile\nshowpage\n%%EOF\n"  # writes a file


def test_a_program_that_calls_itself_a_picture_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (EPS, saved(Image.new("L", (40, 40)), "GIF")):
        with pytest.raises(InputError, match=r"scan\.jpg: not a readable image \(no known format\)"):
            decoding.decode(content, "scan.jpg")
    assert not (tmp_path / "ran").exists()
