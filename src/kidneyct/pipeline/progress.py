"""How far long work has come: a bar at a terminal; elsewhere, for a log, a line now and then."""

import sys

from tqdm import tqdm

SECONDS = 60  # from line to line; work that takes less is not told of


def bar(items=None, *, what, unit, total=None, done=0):
    """The items, to be iterated over; or, without any, what hears of each by `update()`, in a `with` block.

    `done` of the total were done before.
    """
    kind = tqdm if sys.stderr.isatty() else Lines
    return kind(items, total=total, initial=done, desc=what, unit=unit)


class Lines(tqdm):
    """Prints lines such as "features: batch 96 of 389, 03:10 left" to standard error."""

    monitor_interval = 0

    def __init__(self, *given, **options):
        form = "{desc}: {unit} {n:,} of {total:,}, {remaining} left"
        rare = {"mininterval": SECONDS, "delay": SECONDS, "miniters": 1, "smoothing": 0}
        super().__init__(*given, **options, **rare, bar_format=form)

    def display(self, msg=None, pos=None):
        print(self, file=sys.stderr, flush=True)

    def close(self):
        self.delay = float("inf")  # so that it has nothing to clear, and no last line
        super().close()
