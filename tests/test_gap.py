"""The map of the paper's gap: what early stopping keeps, which images a cell has, how far features lie apart."""

import numpy as np
import pytest

from benchmarks import gap


@pytest.mark.parametrize(
    ("losses", "end", "kept"),
    [
        ([3, 2, 1], 3, 3),
        ([3, 1, 2, 2, 0], 4, 2),  # the second epoch in a row without a lower loss ends it, before the lowest of all
        ([3, 1, 2, 0.5, 0.5, 0.5, 0], 6, 4),  # an equal loss is no lower one
        ([2, 3], 2, 1),
    ],
)
def test_stopped_with_a_patience_of_two(losses, end, kept):
    assert gap.stopped(losses, 2) == (end, kept)


def test_a_larger_draw_holds_a_smaller_one_and_the_largest_is_the_archive():
    few, many = (set(gap.chosen(count, 50, seed=1)) for count in (10, 20))
    assert len(few) == 10
    assert few < many
    np.testing.assert_array_equal(gap.chosen(50, 50, seed=1), np.arange(50))
    assert few != set(gap.chosen(10, 50, seed=2))


def test_scale_sums_the_deviations_of_an_images_features():
    # Two places of one channel: deviations over the first two images 1 and 3, which make 4.
    features = np.array([[[[1.0], [1.0]]], [[[3.0], [7.0]]], [[[99.0], [99.0]]]], np.float16)  # (3, 1, 2, 1)
    assert gap.scale(features, [0, 1], "none") == 4
    # All four values: 1, 1, 3, 7; mean 3, variance (4 + 4 + 0 + 16) / 4 = 6.
    assert gap.scale(features, [0, 1], "features") == pytest.approx(4 / 6**0.5)
