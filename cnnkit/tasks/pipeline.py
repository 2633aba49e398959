"""Pictures → answers, with several batches at work while others are being decoded."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from math import gcd
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine
from cnnkit.images.batches import Batch

_Loaded = TypeVar("_Loaded")
_MOST_VIEWS = 512


@dataclass(slots=True)
class _Begun(Generic[_Loaded]):
    """A batch at work; no pixels where no picture of it has any."""

    batch: Batch[_Loaded]
    pixels: NDArray[np.uint8] | None = None
    answers: "Future[Answers] | None" = None


def pictures_at_once(batch_size: int, crops: int) -> int:
    """How many pictures are answered at once.

    As many as fill the network's batches with all their views and leave no rest, unless these
    would be so many that they fill the memory.
    """
    without_rest = batch_size // gcd(batch_size, crops)
    return without_rest if without_rest * crops <= _MOST_VIEWS else max(1, batch_size // crops)


def answered(
    batches: Generator[Batch[_Loaded]], open_engine: Callable[[], Engine], *, views: int = 1
) -> Iterator[tuple[Batch[_Loaded], Answers]]:
    """Yield each batch with the answers for the views of its pictures that have pixels, in order.

    The engine is opened when the first picture has pixels. Where pictures come slowly, what is at
    work is finished and handed on before the next one is waited for; an empty batch says so then.
    Every picture has `views` views; an engine that compares precisions is shown the first of each.
    """
    engine: Engine | None = None
    begun: deque[_Begun[_Loaded]] = deque()
    try:
        for batch in batches:
            if batch.readable and engine is None:
                while begun:
                    yield _finished(begun.popleft(), None, views)
                engine = open_engine()
            if batch.paths:
                begun.append(_begin(batch, engine))
            most = engine.in_flight if engine and batch.paths else 0
            while len(begun) > most:
                yield _finished(begun.popleft(), engine, views)
            if not batch.paths:
                yield batch, ()
        while begun:
            yield _finished(begun.popleft(), engine, views)
    finally:
        batches.close()
        if engine:
            engine.close()


def _begin(batch: Batch[_Loaded], engine: Engine | None) -> _Begun[_Loaded]:
    if not (engine and batch.readable):
        return _Begun(batch)
    pixels = batch.pixels()
    return _Begun(batch, pixels, engine.start(pixels))


def _finished(
    begun: _Begun[_Loaded], engine: Engine | None, views: int
) -> tuple[Batch[_Loaded], Answers]:
    if engine is None or begun.answers is None or begun.pixels is None:
        return begun.batch, ()
    answers = begun.answers.result()
    if engine.trial:
        firsts = tuple(array[::views] for array in answers)
        engine.trial.watch(begun.pixels[::views], firsts)
    return begun.batch, answers


class _Told(Protocol):
    """Consecutive pictures, each with what is known of it; none while the next one is awaited."""

    paths: list[str]
    vectors: list[Any]


_Batch = TypeVar("_Batch", bound=_Told)


def grouped(
    batches: Iterable[_Batch],
    *,
    most: int,
    patience: float = 0.5,
    each: Callable[[_Batch], object] = lambda batch: None,
) -> Iterator[list[tuple[str, Any]]]:
    """Yield the pictures of several batches together, with what is known of each.

    A group is handed on when it has `most` pictures, when its first one has waited for `patience`
    seconds, when no further picture is there yet, and last of all when an error comes. `each`
    sees every batch before its pictures are in a group.
    """
    group: list[tuple[str, Any]] = []
    since = 0.0
    try:
        for batch in batches:
            each(batch)
            since = since if group else time.monotonic()
            group += zip(batch.paths, batch.vectors, strict=True)
            if group and (
                not batch.paths or len(group) >= most or time.monotonic() - since > patience
            ):
                told, group = group, []
                yield told
    except (Exception, KeyboardInterrupt):
        if group:
            yield group
        raise
    if group:
        yield group
