"""Arithmetic of the benchmark: medians, ratios within a round, and the balance of two stages."""

import statistics
from collections.abc import Sequence


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median over the rounds of ours / theirs: both of one round met the same weather."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def balance(end_to_end: float, network: float, decode: float) -> float:
    """End to end as a share of what two stages allow that have to share all cores."""
    return end_to_end * (1 / network + 1 / decode)


def median_balance(
    end_to_end: Sequence[float], network: Sequence[float], decode: Sequence[float]
) -> float:
    """The median of the balance over the rounds."""
    rounds = zip(end_to_end, network, decode, strict=True)
    return statistics.median(balance(*figures) for figures in rounds)


def spread(rates: Sequence[float]) -> float:
    """How far apart the rounds are: (largest - least) / median."""
    return (max(rates) - min(rates)) / statistics.median(rates)
