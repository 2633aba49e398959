"""Work on threads comes back in order, and ends when nobody waits for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from cnnkit.tasks.ahead import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    def work(item: int) -> int:
        time.sleep((item * 7 % 5) / 500)
        return item * item

    stop = threading.Event()
    assert list(in_order(range(40), work, threads=6, stop=stop)) == [n * n for n in range(40)]
    assert stop.is_set()
    assert list(in_order([], work, threads=1, stop=threading.Event())) == []


def test_a_result_does_not_wait_for_the_next_item() -> None:
    given = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(3):
            given.acquire()
            yield number

    with closing(in_order(items(), str, threads=2, stop=threading.Event())) as results:
        for number in range(3):
            given.release()
            assert next(results) == str(number)


def test_errors_come_in_their_places() -> None:
    def items() -> Iterator[int]:
        yield from (1, 2, 0)
        raise LookupError("no more")

    results = in_order(items(), lambda item: 2 // item, threads=2, stop=threading.Event())
    assert [next(results), next(results)] == [2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(LookupError):
        list(in_order(items(), str, threads=2, stop=threading.Event()))


def test_little_is_begun_that_nobody_takes() -> None:
    begun: list[int] = []
    stop = threading.Event()
    results = in_order(range(10_000), lambda item: begun.append(item), threads=2, stop=stop)
    next(results)
    time.sleep(0.6)  # longer than the feeder's patience
    results.close()
    assert stop.is_set()
    assert len(begun) <= 12
    time.sleep(0.1)
    assert len(begun) <= 12
