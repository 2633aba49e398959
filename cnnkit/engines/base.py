"""The one face that every runtime shows: uint8 pixels in, float32 arrays out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnkit.records import Recipe
from cnnkit.zoo.catalog import Network

ENGINES = ("keras",)


@dataclass(frozen=True, slots=True)
class Source:
    """What an engine runs: a network, its weights (None: random by `seed`) and its recipe."""

    network: Network
    recipe: Recipe
    weights: Path | None = None
    seed: int = 0


class Engine(ABC):
    """A network ready to run on some runtime."""

    def __init__(self, batch_size: int) -> None:
        """`batch_size` is the larger of the two batch shapes that the engine ever sees."""
        self.batch_size = batch_size

    @abstractmethod
    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """One batch of 1 or `batch_size`: uint8 RGB (n, H, W, 3) → float32 (n, classes)."""

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Any number of pictures: uint8 RGB (n, H, W, 3) → float32 (n, classes).

        Only the shapes 1 and `batch_size` reach the network, so its graph is made once: a rest
        below half a batch runs one by one, a longer one is filled up.
        """
        outputs = []
        for start in range(0, len(pixels), self.batch_size):
            part = pixels[start : start + self.batch_size]
            if len(part) <= self.batch_size // 2:
                outputs += [self.run(part[i : i + 1]) for i in range(len(part))]
            else:
                outputs.append(self.run(self._filled(part))[: len(part)])
        return np.concatenate(outputs)

    def _filled(self, part: NDArray[np.uint8]) -> NDArray[np.uint8]:
        missing = self.batch_size - len(part)
        return np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]) if missing else part


def open_engine(name: str, source: Source, *, batch_size: int, threads: int) -> Engine:
    """Open the engine called `name`; its runtime is imported only here."""
    from cnnkit.engines.keras_engine import KerasEngine
    from cnnkit.errors import UnknownName

    if name not in ENGINES:
        raise UnknownName("engine", name, ENGINES)
    return KerasEngine(source, batch_size=batch_size, threads=threads)
