"""Paths → batches of pixels, decoded ahead of the network and in the order of the paths.

A feeder thread takes paths from the (perhaps slow) source and hands each to a pool that decodes;
the caller's thread collects what is ready. A batch is handed on when it is full, and also when the
source pauses: nobody should wait for a picture that may never come.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from cnnkit.images.geometry import Pixels

_Loaded = TypeVar("_Loaded")
# How long a started batch waits for the next picture, in seconds.
PATIENCE = 0.25


@dataclass(slots=True)
class Batch(Generic[_Loaded]):
    """Consecutive inputs, each with what it was loaded as.

    `pictures[i]` is uint8 (views, H, W, 3), or anything else that needs no network: a `Skipped`
    with the reason, or what is known of the picture already.
    """

    paths: list[str] = field(default_factory=list)
    pictures: list[_Loaded] = field(default_factory=list)

    @property
    def readable(self) -> bool:
        """Whether there are pixels of any picture."""
        return any(isinstance(picture, np.ndarray) for picture in self.pictures)

    def pixels(self) -> Pixels:
        """Every view of every picture that has pixels: uint8 (n · views, H, W, 3)."""
        return np.concatenate([p for p in self.pictures if isinstance(p, np.ndarray)])


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def batched(
    paths: Iterable[str],
    load: Callable[[str], _Loaded],
    *,
    size: int,
    threads: int,
    ahead: int | None = None,
) -> Generator[Batch[_Loaded]]:
    """Yield batches of up to `size` pictures, in order; the last one may be short.

    `load` turns a path into a picture and runs on `threads` threads, at most `ahead` pictures
    before the caller (default: two batches, or two for each thread), so memory does not grow with
    the list. An error raised by `paths` or `load` is raised here, after everything before it was
    handed on.

    An empty batch says that the next picture is not there yet, or that an error comes: now is
    the time to finish what was handed on before.
    """
    stop = threading.Event()
    waiting: queue.Queue[tuple[str, Future[_Loaded]] | _End] = queue.Queue(
        ahead or 2 * max(size, threads)
    )
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    # A daemon: it may sit in a read of stdin that never returns.
    threading.Thread(
        target=_feed, args=(paths, load, pool, waiting, stop), name="paths", daemon=True
    ).start()
    try:
        yield from _collect(waiting, size)
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _feed(
    paths: Iterable[str],
    load: Callable[[str], _Loaded],
    pool: ThreadPoolExecutor,
    waiting: "queue.Queue[tuple[str, Future[_Loaded]] | _End]",
    stop: threading.Event,
) -> None:
    def put(item: tuple[str, Future[_Loaded]] | _End) -> bool:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=PATIENCE)
            except queue.Full:
                continue
            return True
        return False

    try:
        for path in paths:
            if stop.is_set() or not put((path, pool.submit(load, path))):
                return
    except BaseException as error:  # crosses over to the caller's thread
        put(_End(error))
    else:
        put(_End())


def _collect(
    waiting: "queue.Queue[tuple[str, Future[_Loaded]] | _End]", size: int
) -> Generator[Batch[_Loaded]]:
    batch: Batch[_Loaded] = Batch()
    end: _End | None = None
    told = True
    while end is None:
        if not told and waiting.empty():
            yield Batch()
            told = True
        try:
            item = waiting.get(timeout=PATIENCE if batch.paths else None)
        except queue.Empty:
            yield batch
            batch, told = Batch(), False
            continue
        if isinstance(item, _End):
            end = item
        else:
            path, future = item
            if not told and not future.done():
                yield Batch()
                told = True
            if batch.paths and (not _ready(future) or future.exception() is not None):
                yield batch
                batch, told = Batch(), False
            if future.exception() is not None and not told:
                yield Batch()
            batch.paths.append(path)
            batch.pictures.append(future.result())
        if batch.paths and (end or len(batch.paths) >= size):
            yield batch
            batch, told = Batch(), False
    if end.error is not None:
        if not told:
            yield Batch()
        raise end.error


def _ready(future: "Future[Any]") -> bool:
    try:
        future.exception(timeout=PATIENCE)
    except TimeoutError:
        return False
    return True
