"""Pictures → answers, with several batches at work while others are being decoded."""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Answers, Engine
from cnnkit.images.batches import Batch


@dataclass(slots=True)
class _Begun:
    """A batch at work; no pixels where no picture of it could be read."""

    batch: Batch
    pixels: NDArray[np.uint8] | None = None
    answers: "Future[Answers] | None" = None


def answered(
    batches: Generator[Batch], open_engine: Callable[[], Engine], *, views: int = 1
) -> Iterator[tuple[Batch, Answers]]:
    """Yield each batch with the answers for the views of its readable pictures, in order.

    The engine is opened when the first picture could be read. Where pictures come slowly, what
    is at work is finished and handed on before the next one is waited for. Every picture has
    `views` views; an engine that compares precisions is shown the first of each.
    """
    engine: Engine | None = None
    begun: deque[_Begun] = deque()
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
        while begun:
            yield _finished(begun.popleft(), engine, views)
    finally:
        batches.close()
        if engine:
            engine.close()


def _begin(batch: Batch, engine: Engine | None) -> _Begun:
    if not (engine and batch.readable):
        return _Begun(batch)
    pixels = batch.pixels()
    return _Begun(batch, pixels, engine.start(pixels))


def _finished(begun: _Begun, engine: Engine | None, views: int) -> tuple[Batch, Answers]:
    if engine is None or begun.answers is None or begun.pixels is None:
        return begun.batch, ()
    answers = begun.answers.result()
    if engine.trial:
        firsts = tuple(array[::views] for array in answers)
        engine.trial.watch(begun.pixels[::views], firsts)
    return begun.batch, answers
