"""Work on threads, its results in the order of what was asked for.

A feeder thread takes items from a source that may be slow, such as a list on stdin, and hands them
to a pool. Whoever takes the results gets each as soon as it and all before it are there.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# How often a feeder looks whether anybody still waits for it, in seconds.
_PATIENCE = 0.25


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def in_order(
    items: Iterable[_Item],
    work: Callable[[_Item], _Result],
    *,
    threads: int,
    stop: threading.Event,
) -> Generator[_Result]:
    """Yield what `work` makes of each item, in order; at most four items a thread are under way.

    An error raised by `items` or `work` is raised here, in its place. When nobody takes results
    any more, `stop` is set, what has not begun is dropped, and what has begun is waited for.
    """
    waiting: queue.Queue[Future[_Result] | _End] = queue.Queue(4 * threads)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="work")

    def put(item: Future[_Result] | _End) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return True
        return False

    def feed() -> None:
        try:
            for item in items:
                if stop.is_set() or not put(pool.submit(work, item)):
                    return
        except BaseException as error:  # crosses over to the caller's thread
            put(_End(error))
        else:
            put(_End())

    # A daemon: it may sit in a read of stdin that never returns.
    threading.Thread(target=feed, name="items", daemon=True).start()
    try:
        while not isinstance(each := waiting.get(), _End):
            yield each.result()
        if each.error is not None:
            raise each.error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)
