"""Results in order, few items at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor

from kidneyct import ahead


def test_few_items_are_in_memory_at_a_time():
    taken = []
    with ThreadPoolExecutor(1) as pool:
        results = ahead.in_order(pool, str, (taken.append(number) or number for number in range(1000)))
        item, result = next(results)
    assert (item, result()) == (0, "0")
    assert len(taken) == ahead.AHEAD * ahead.THREADS + 1


def test_results_are_in_order_however_long_each_takes():
    late = threading.Event()

    def work(number):
        if number == 0:
            assert late.wait(60)
        else:
            late.set()
        return 10 * number

    with ThreadPoolExecutor(2) as pool:
        results = [(item, result()) for item, result in ahead.in_order(pool, work, [0, 1, 2])]
    assert results == [(0, 0), (1, 10), (2, 20)]


def test_what_was_not_begun_when_it_is_closed_is_left_out():
    begun, go_on = [], threading.Event()

    def work(number):
        begun.append(number)
        if number:
            assert go_on.wait(60)

    with ThreadPoolExecutor(1) as pool:
        results = ahead.in_order(pool, work, range(1000))
        next(results)[1]()
        results.close()
        go_on.set()
    assert begun in ([0], [0, 1])
