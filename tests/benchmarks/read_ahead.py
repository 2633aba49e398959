"""Pictures decoded on threads while a network is at work, for the peers that bring no loader."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

# Batches that are decoded ahead of the network.
AHEAD = 3


def batches(
    files: list[str], load: Callable[[str], Any], *, size: int, threads: int
) -> Iterator[list[Any]]:
    """Yield lists of `size` loaded pictures, in order; the last may be short."""
    waiting: deque[list[Future[Any]]] = deque()
    rest = iter(files)
    with ThreadPoolExecutor(threads) as pool:

        def start_one() -> None:
            if batch := [pool.submit(load, file) for file in islice(rest, size)]:
                waiting.append(batch)

        for _ in range(AHEAD):
            start_one()
        while waiting:
            pictures = [picture.result() for picture in waiting.popleft()]
            start_one()
            yield pictures
