"""Small fits: data, models and feeds with nothing random in them but what a seed decides."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.nets.checkpoint import Checkpoint
from cnnkit.nets.train import Trainer, Watch
from cnnkit.records import EpochRow, Fitting
from cnnkit.tasks.feeding import Fed, Kept, Order, Rows

CLASSES = 3
# A batch normalisation, a dropout: all that has a state beside its weights.
PATTERN = "INPUT -> CONV3-4 -> BN -> RELU -> POOL2 -> DROP0.3 -> GAP -> FC"


@dataclass
class Made:
    """What a fit is given: `pixels` or vectors, some of them held out."""

    pixels: bool = False
    pictures: int = 23
    held: int = 9
    noise: float = 1.0
    truth: NDArray[np.int64] = field(init=False)
    inputs: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(5)
        total = self.pictures + self.held
        self.truth = np.arange(total) % CLASSES
        shape = (8, 8, 3) if self.pixels else (6,)
        centres = rng.normal(size=(CLASSES, *shape))
        noise = self.noise * rng.normal(size=(total, *shape))
        self.inputs = (centres[self.truth] + noise).astype(np.float32)

    def model(self, kind: str = "linear") -> Any:
        if self.pixels:
            from cnnkit.nets.pattern import build_pattern

            return build_pattern(PATTERN, height=8, width=8, classes=CLASSES, activation=None)
        from cnnkit.nets.classifier import head

        train = self.inputs[: self.pictures]
        return head(kind, 6, CLASSES, mean=train.mean(0), variance=train.var(0))  # type: ignore[arg-type]

    def feed(self, fitting: Fitting, *, balanced: bool = False, weights: Any = None) -> Fed:
        order = Order(
            self.truth[: self.pictures], CLASSES, fitting.batch_size, fitting.seed, balanced
        )
        return Fed(Rows([self.inputs[: self.pictures]]), order, class_weights=weights)

    def kept(self) -> Kept | None:
        if not self.held:
            return None
        return Kept(Rows([self.inputs[self.pictures :]]), self.truth[self.pictures :], 4)


def trainer(model: Any, fitting: Fitting, **more: Any) -> Trainer:
    return Trainer(model, fitting, "scratch", identity="fits", **more)


def weights(made: Trainer) -> list[NDArray[Any]]:
    return [np.asarray(variable) for variable in made.model.variables]


def told(history: list[EpochRow]) -> list[tuple[Any, ...]]:
    return [row.same() for row in history]


def keeping(moments: list[Checkpoint]) -> Watch:
    return Watch(checkpoint=moments.append, every=0)
