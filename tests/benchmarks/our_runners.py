"""cnnkit from files to records, through its public face."""

import logging
from collections.abc import Iterator
from itertools import islice
from queue import SimpleQueue
from typing import Any

import cnnkit
from tests.benchmarks.runners import Run


def open_runner(model: str, cores: int, engine: str, precision: str) -> Run:
    """A function from files to records with the five best classes."""
    paths: SimpleQueue[str] = SimpleQueue()
    # One run of the verb answers every round: its network is opened once, as the peers' are.
    logging.getLogger("cnnkit.engines").addHandler(_Strict(logging.WARNING))
    wishes: dict[str, Any] = {"engine": engine, "precision": precision, "threads": cores}
    records = cnnkit.classify(_endless(paths), model=model, weights="none", **wishes)

    def run(files: list[str]) -> list[cnnkit.Classification]:
        for file in files:
            paths.put(file)
        answers = list(islice(records, len(files)))
        good = [a for a in answers if isinstance(a, cnnkit.Classification)]
        if [answer.path for answer in good] != files:
            raise RuntimeError("a picture is without its answer")
        return good

    return run


class _Strict(logging.Handler):
    """An engine that another stands in for must not be measured under its name."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError(record.getMessage())


def _endless(paths: SimpleQueue[str]) -> Iterator[str]:
    while True:
        yield paths.get()
