"""Matched greys: ranks worked out by hand, and the body in pictures whose body is known."""

import numpy as np
import pytest
from PIL import Image

from kidneyct.images import grey


def picture(*blocks, background=0):
    """(100, 100) uint8 with blocks of one grey: (rows, columns, grey), from a to b."""
    pixels = np.full((100, 100), background, np.uint8)
    for rows, columns, value in blocks:
        pixels[slice(*rows), slice(*columns)] = value
    return pixels


def inside(rows, columns):
    return picture((rows, columns, 1)).astype(bool)


def frame(rows, columns, value, thick=1):
    """The four sides of a rectangle, as blocks."""
    (top, bottom), (left, right) = rows, columns
    sides = [((top, top + thick), columns), ((bottom - thick, bottom), columns)]
    sides += [(rows, (left, left + thick)), (rows, (right - thick, right))]
    return [(*side, value) for side in sides]


def test_a_grey_becomes_its_mean_rank():
    pixels = np.zeros((5, 6), np.uint8)
    pixels[1:4, 1:5] = [[100, 100, 150, 150], [250, 100, 150, 200], [250, 100, 150, 200]]
    before = pixels.copy()
    # Of twelve pixels four are 100, ranks 1 to 4, mean 2.5: 1 + 255 · (2.5 - 0.5) / 12 = 43.5, cut to 43; 150 has the
    # mean rank 6.5, so 128.5; 200 has 9.5, so 192.25; 250 has 11.5, so 234.75.
    expected = np.zeros((5, 6), int)
    expected[1:4, 1:5] = [[43, 43, 128, 128], [234, 43, 128, 192], [234, 43, 128, 192]]
    found = grey.matched(pixels)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(pixels, before)


def test_another_window_gives_the_same_greys():
    values = np.random.default_rng(0).integers(60, 120, (60, 50), dtype=np.uint8)
    narrow, wide = picture(), picture()
    narrow[20:80, 30:80], wide[20:80, 30:80] = (values - 60) * 3 + 40, values
    np.testing.assert_array_equal(grey.matched(narrow), grey.matched(wide))


def test_a_picture_of_one_grey():
    np.testing.assert_array_equal(grey.matched(picture()), picture())
    np.testing.assert_array_equal(grey.matched(picture(background=200)), picture(background=128))


COUCH = frame((75, 95), (5, 95), 250, thick=2)
BLOCK, BOWEL = ((20, 69), (35, 65), 90), ((30, 40), (40, 60))
GAP, FAT = ((20, 23), (50, 53), 0), ((30, 70), (30, 70), 120)  # fat is black where the window is narrow


@pytest.mark.parametrize(
    ("blocks", "background", "expected"),
    [
        # The hollow couch, filled, would be the larger piece; a gap of six pixels is too wide to be closed.
        *(([BLOCK, (*BOWEL, dark), *COUCH], dark, BLOCK[:2]) for dark in (0, 7)),  # 7 where contrast was equalised
        ([*frame((20, 80), (20, 80), 60), GAP, FAT], 0, ((20, 80), (20, 80))),  # skin with a gap closes the body
        # A coronal slice is closed where it is cut; its lungs are open above.
        ([((0, 100), (20, 80), 120), ((0, 50), (32, 68), 0)], 0, ((0, 100), (20, 80))),
        ([((4, 96), (20, 80), 120), ((4, 50), (32, 68), 0)], 0, ((4, 96), (20, 80))),
    ],
)
def test_the_body_has_no_holes_and_no_couch(blocks, background, expected):
    np.testing.assert_array_equal(grey.body(picture(*blocks, background=background)), inside(*expected))


def test_a_couch_that_touches_the_body_is_no_part_of_it():
    found = grey.body(picture(((20, 75), (35, 65), 90), *COUCH))
    np.testing.assert_array_equal(found[:75], inside((20, 75), (35, 65))[:75])
    assert not found[77:].any()  # the couch's upper side goes with the body where both touch


def test_a_picture_is_left_or_matched():
    pixels = picture(((20, 60), (20, 60), 90))
    colours = Image.fromarray(np.stack([pixels, pixels, pixels], axis=-1))
    assert grey.seen(colours, "file") is colours
    found = grey.seen(colours, "matched")
    assert found.mode == "L"
    np.testing.assert_array_equal(np.asarray(found), grey.matched(pixels))
