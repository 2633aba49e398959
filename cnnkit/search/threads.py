"""Work shared among threads: numpy lets go of the interpreter while it computes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

# A range this large is cut finer, so that nobody waits for a thread that other work holds up.
_LARGE, _PIECES = 1 << 14, 8

# Calls a function for each of some ranges that together are 0…n, and waits for all.
Share = Callable[[Callable[[int, int], None], int], None]


@contextmanager
def sharing(threads: int) -> Iterator[Share]:
    """Threads that share ranges of numbers among them; with one, the caller's own does it all."""
    if threads < 2:
        yield lambda work, size: work(0, size)
        return
    with ThreadPoolExecutor(threads) as pool:

        def share(work: Callable[[int, int], None], size: int) -> None:
            pieces = threads * (_PIECES if size >= _LARGE else 1)
            cuts = [size * i // pieces for i in range(pieces + 1)]
            ranges = [(first, last) for first, last in pairwise(cuts) if first < last]
            for done in [pool.submit(work, *each) for each in ranges]:
                done.result()

        yield share
