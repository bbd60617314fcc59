"""Results in order, few items at a time."""

import threading

from kidneyct.files import parallel


def test_results_are_in_order_however_long_each_takes():
    late = threading.Event()

    def work(number):
        if number == 0:
            assert late.wait(60)
        else:
            late.set()
        return 10 * number

    with parallel.in_order(work, [0, 1, 2], threads=2) as found:
        results = [(item, result()) for item, result in found]
    assert results == [(0, 0), (1, 10), (2, 20)]


def test_what_was_not_begun_when_the_block_ends_is_left_out():
    begun, taken, go_on = [], [], threading.Event()

    def work(number):
        begun.append(number)
        if number:
            assert go_on.wait(60)

    items = (taken.append(number) or number for number in range(1000))
    with parallel.in_order(work, items, threads=1) as results:
        next(results)[1]()
        assert len(taken) == parallel.AHEAD + 1  # few are in memory at a time
        threading.Timer(1, go_on.set).start()
    assert begun in ([0], [0, 1])
