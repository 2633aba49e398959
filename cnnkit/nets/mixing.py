"""MixUp and CutMix, with draws that are a function of the seed and the position.

Letters: n pictures of H × W, a the share of each that is left of itself. Keras has layers for both,
but its CutMix draws alpha itself, takes none above 1, and its classes do not count the pixels.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.records import Fitting

if TYPE_CHECKING:
    from cnnkit.nets.train import Shown

Floats = NDArray[np.float32]


class Mixing:
    """Mixes the pictures of a batch with one another; where both are wished for, either by chance.

    A picture's class and its weight mix as its pixels do.
    """

    def __init__(self, mixup: float, cutmix: float, seed: int) -> None:
        """Of the alphas of both; 0 is without."""
        self._alphas = [each for each in (("mixup", mixup), ("cutmix", cutmix)) if each[1]]
        self._seed = seed

    @classmethod
    def of(cls, fitting: Fitting) -> "Mixing | None":
        """What the settings wish for; None for nothing."""
        wished = fitting.mixup or fitting.cutmix
        return cls(fitting.mixup, fitting.cutmix, fitting.seed) if wished else None

    def mixed(self, shown: "Shown", epoch: int, step: int) -> "Shown":
        """The same batches, pictures, classes and weights mixed alike."""
        batches = [
            self._one(*batch, epoch, step + at) for at, batch in enumerate(zip(*shown, strict=True))
        ]
        return type(shown)(*(np.stack(part) for part in zip(*batches, strict=True)))

    def _one(self, inputs: Any, classes: Any, weights: Any, epoch: int, step: int) -> list[Floats]:
        rng = np.random.default_rng((self._seed, epoch, step, 2))
        kind, alpha = self._alphas[int(rng.integers(len(self._alphas)))]
        others = rng.permutation(len(inputs))
        left = rng.beta(alpha, alpha, len(inputs))
        if kind == "mixup":  # Zhang et al. 2018
            mixed = _between(left, inputs, inputs[others])
        else:  # Yun et al. 2019
            boxes = _boxes(rng, left, *inputs.shape[1:3])
            left = 1 - boxes.mean((1, 2))
            mixed = np.where(boxes[..., None], inputs[others], inputs)
        return [mixed, *(_between(left, part, part[others]) for part in (classes, weights))]


def _between(left: NDArray[np.float64], own: Floats, other: Floats) -> Floats:
    share = left.astype(np.float32).reshape(-1, *[1] * (own.ndim - 1))
    return share * own + (1 - share) * other


def _boxes(
    rng: np.random.Generator, left: NDArray[np.float64], height: int, width: int
) -> NDArray[np.bool_]:
    """Boxes of sides H √(1 - a) and W √(1 - a) around a point anywhere: masks (n, H, W)."""
    inside = []
    for side in (height, width):
        half = side * np.sqrt(1 - left)[:, None] / 2
        centre = rng.uniform(0, side, len(left))[:, None]
        pixels = np.arange(side)[None] + 0.5
        inside.append(np.abs(pixels - centre) < half)
    return inside[0][:, :, None] & inside[1][:, None, :]
