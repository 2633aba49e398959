"""cnnkit's two stages, each with all cores to itself: what end to end could reach at best."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.engines.base import Engine
from cnnkit.images.batches import batched
from cnnkit.images.loading import loader
from cnnkit.tasks.network import Job
from cnnkit.zoo.catalog import find
from tests.benchmarks.runners import WHOLE, Run


def open_runner(model: str, cores: int, stage: str, *wishes: Any) -> Run:
    """A function from files to as many answers, or as many pictures of the network's size."""
    return decoding(model, cores) if stage == "decode" else network(model, cores, *wishes)


def network(model: str, cores: int, engine: Any, precision: Any) -> Run:
    """The network on pixels in memory, in the batches and with the overlap of `classify`."""
    job = Job.of(model, weights="none", engine=engine, precision=precision, threads=cores)
    opened = job.open()
    if opened.name != engine:
        raise RuntimeError(f"{engine} cannot run {model}: {opened.name} stands in for it")
    shape = (job.batch_size, job.recipe.height, job.recipe.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def run(files: list[str]) -> NDArray[np.float32]:
        return np.concatenate(_kept_busy(opened, pixels, len(files) // len(pixels)))

    return run


def _kept_busy(engine: Engine, pixels: NDArray[np.uint8], times: int) -> list[Any]:
    """The scores of the same batch, so many times, as many at once as the engine takes."""
    answers, begun = [], deque([engine.start(pixels)])
    for _ in range(times - 1):
        begun.append(engine.start(pixels))
        if len(begun) > engine.in_flight:
            answers.append(begun.popleft().result()[0])
    return answers + [left.result()[0] for left in begun]


def decoding(model: str, cores: int) -> Run:
    """Files to pixels, read ahead as `classify` does it."""
    load = loader(find(model).recipe)

    def run(files: list[str]) -> range:
        read = batched(files, load, size=WHOLE, threads=cores)
        return range(sum(len(batch.pixels()) for batch in read if batch.readable))

    return run
