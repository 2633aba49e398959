"""How far a mean over pictures could have come out otherwise, had other pictures been taken.

Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3 (the percentile
interval). The mean of a resample depends only on how often each value that occurs was drawn, and
these counts are multinomial: that is the bootstrap itself, and no approximation of it.

The interval knows of no pictures unlike those that it is given. Where all of them are right, every
resample is, and says nothing: then the interval is the exact one of Clopper and Pearson 1934.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Counts that are drawn at a time: 8 MB of them.
_COUNTS = 1 << 20


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean of one model less that of another on the same pictures, and its interval."""

    value: float
    low: float
    high: float


def interval(
    hits: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> tuple[float, float] | None:
    """Between which bounds the mean of the values lies in `level` of all resamples.

    Where all are right, or all are wrong, it is the exact interval of such a share.

    Args:
        hits: one value per picture (n,): right or wrong, as booleans, or any finite number.
        seed: the same seed and values give the same interval.
        resamples: how many times n pictures are drawn out of the n, each time with replacement.
        level: the share of resamples within the interval, between 0 and 1.

    None without pictures. Raises `ValueError` for arguments that make no sense.
    """
    values = _values(hits)
    if not len(values):
        return None
    low, high = _interval(values, seed, resamples, level)
    if np.asarray(hits).dtype == np.bool_ and len(np.unique(values)) == 1:
        apart = 1 - ((1 - level) / 2) ** (1 / len(values))
        return (1 - apart, 1.0) if values[0] else (0.0, apart)
    return low, high


def difference(
    hits_a: ArrayLike,
    hits_b: ArrayLike,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Difference | None:
    """The mean of `hits_a` less that of `hits_b`, with the interval of that difference.

    Both hold one value per picture (n,), of the same pictures in the same order: whole pairs are
    drawn, so that what is hard for both models cancels. An interval without 0 in it says that one
    model is better on pictures like these. The other arguments, None and `ValueError` are those of
    `interval`; it is raised too where the lengths differ.
    """
    one, two = _values(hits_a), _values(hits_b)
    if len(one) != len(two):
        raise ValueError(
            f"Expected values of the same pictures. Received: {len(one)} and {len(two)}."
        )
    apart = one - two
    if not len(apart):
        return None
    return Difference(float(apart.mean()), *_interval(apart, seed, resamples, level))


def _interval(
    values: NDArray[np.float64], seed: int, resamples: int, level: float
) -> tuple[float, float]:
    if resamples < 1 or not 0 < level < 1:
        raise ValueError(
            "Expected at least one resample and a level between 0 and 1. "
            f"Received: resamples={resamples}, level={level}."
        )
    tail = (1 - level) / 2
    low, high = np.quantile(_means(values, seed, resamples), [tail, 1 - tail]).tolist()
    return low, high


def _means(values: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """The means of the resamples, float64 (resamples,)."""
    rng = np.random.default_rng(seed)
    kinds, counts = np.unique(values, return_counts=True)
    shares = counts / len(values)
    at_once = max(1, _COUNTS // len(kinds))
    drawn = [
        rng.multinomial(len(values), shares, size=min(at_once, resamples - first)) @ kinds
        for first in range(0, resamples, at_once)
    ]
    means: NDArray[np.float64] = np.concatenate(drawn) / len(values)
    return means


def _values(hits: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(hits, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"Expected finite values (n,). Received: shape {values.shape}.")
    return values
