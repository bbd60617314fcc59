"""Several items worked on at once, by threads, and the results in the items' order."""

import os
from collections import deque

THREADS = min(os.cpu_count() or 1, 16)
AHEAD = 2  # items a thread that may wait for those before them


def in_order(pool, work, items):
    """(item, function that gives or raises what `work(item)` did) of each, in order; a few are worked on ahead.

    `pool` has THREADS threads or fewer. Items are taken as they are needed, so memory does not grow with their number.
    Closed before its end, it leaves out what was not begun.
    """
    pending = deque()
    try:
        for item in items:
            pending.append((item, pool.submit(work, item)))
            if len(pending) > AHEAD * THREADS:
                first, future = pending.popleft()
                yield first, future.result
        for item, future in pending:
            yield item, future.result
    finally:
        for _, future in pending:
            future.cancel()
