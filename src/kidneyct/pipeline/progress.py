"""How far long work has come: a bar at a terminal; elsewhere, for a log, a line now and then."""

import sys
import time

from tqdm import tqdm

SECONDS = 60  # from line to line; work that takes less is not told of


def shown(items=None, *, what, unit, total=None, done=0):
    """The items, to be iterated over; or, without any, what hears of each by `update()`, in a `with` block.

    `done` of the total were done before.
    """
    if sys.stderr.isatty():
        return tqdm(items, total=total, initial=done, desc=what, unit=unit)
    return Lines(items, what, unit, len(items) if total is None else total, done)


class Lines:
    """Used as tqdm is; prints such as "features: batch 96 of 389, about 3 minutes left" to standard error."""

    def __init__(self, items, what, unit, total, done=0):
        self.items, self.what, self.unit, self.total = items, what, unit, total
        self.before = self.done = done
        self.start = self.told = time.monotonic()

    def __iter__(self):
        for item in self.items:
            yield item
            self.update()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, count=1):
        self.done += count
        now = time.monotonic()
        if now - self.told < SECONDS or self.done >= self.total:
            return
        self.told = now
        left = (now - self.start) / (self.done - self.before) * (self.total - self.done)
        print(
            f"{self.what}: {self.unit} {self.done:,} of {self.total:,}, about {_words(left)} left",
            file=sys.stderr,
            flush=True,
        )


def _words(seconds):
    minutes = max(1, round(seconds / 60))
    return f"{minutes / 60:.1f} hours" if minutes >= 120 else f"{minutes} minute{'s' * (minutes > 1)}"
