"""Several items worked on at once, by threads, and the results in the items' order."""

import contextlib
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor

THREADS = min(os.cpu_count() or 1, 16)
AHEAD = 2  # items a thread that may wait for those before them


@contextlib.contextmanager
def in_order(function, items, threads=THREADS):
    """(item, function that gives or raises what `function(item)` did) of each, in order; a few are worked on ahead.

    Items are taken as they are needed, so memory does not grow with their number. When the block ends, what was not
    begun is left out, and what was is waited for.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield _results(pool, function, items, AHEAD * threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _results(pool, function, items, ahead):
    pending = deque()
    for item in items:
        pending.append((item, pool.submit(function, item).result))
        if len(pending) > ahead:
            yield pending.popleft()
    yield from pending
