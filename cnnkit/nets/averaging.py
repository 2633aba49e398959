"""Between the weights before fine-tuning and those after it (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models", section 3): on a straight line from one to the other there are
networks that are better than both, and those in its middle generalise best.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

Weights = list[NDArray[Any]]
# How far from the weights before: none of the way, some of it, all of it.
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
# Without anything to judge by, the paper's own recommendation.
_MIDDLE = 0.5


def between(before: Sequence[NDArray[Any]], after: Sequence[NDArray[Any]], share: float) -> Weights:
    """The weights that lie `share` of the way, 0 to 1, from the one to the other."""
    return [
        one + np.asarray(share, one.dtype) * (two - one)
        for one, two in zip(before, after, strict=True)
    ]


def settle_between(
    model: keras.Model, before: Weights, judge: Callable[[], float] | float | None
) -> float:
    """Give the model the best weights between those `before` and its own; the share of the way.

    `judge` says how bad it is with the weights that it has, or is the share itself. Where nobody
    can say, it is the middle.
    """
    after, share = model.get_weights(), _MIDDLE
    if isinstance(judge, float):
        share = judge
    elif judge is not None:
        told = []
        for each in _SHARES:
            model.set_weights(between(before, after, each))
            told.append(judge())
        share = _SHARES[int(np.argmin(told))]
    model.set_weights(between(before, after, share))
    return share
