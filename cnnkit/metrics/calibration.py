"""Whether a model's probabilities can be believed, and the one number that mends most of it.

Sources: Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks; for what
it cannot mend, Berta, Holzmüller, Jordan and Bach 2025, Rethinking Early Stopping. Legend: z are
logits (n, K), y truths (n,), T the temperature, b = 1 / T, p = softmax(b z).

Everywhere, rows of an unknown truth (−1) and rows that hold NaN are left out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnkit.metrics.truth import UNKNOWN, Indices, indices, table

# The temperatures that are looked at: a model that needs another one is broken in other ways.
COLDEST, HOTTEST = 0.05, 20.0
# Rows that are computed in float64 at a time.
_ROWS = 4096
# How far off, relatively, a temperature may be: far below what any picture could show.
_CLOSE = 1e-10
_MOST_STEPS = 100
# Rounding of probabilities in float16 and bfloat16; logits lie far outside.
_ROUNDING = 0.01
# A logit so far below the best has no probability at any temperature, and −∞ × 0 is NaN.
_FLOOR = -1e6


@dataclass(frozen=True, slots=True)
class Bin:
    """The pictures whose best class has a probability above `low` and up to `high`.

    `confidence` is the mean of these probabilities, `accuracy` the share of pictures that are
    right, both in 0..1, and None in a bin without pictures.
    """

    low: float
    high: float
    confidence: float | None
    accuracy: float | None
    count: int


def reliability(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> tuple[Bin, ...]:
    """The bins of a reliability diagram (section 2): equally wide, from 0 to 1.

    Probabilities are (n, K) in 0..1. Raises `ValueError` for others (logits, say), for shapes and
    truths that do not fit, and for less than one bin.
    """
    if bins < 1:
        raise ValueError(f"Expected at least one bin. Received: bins={bins}.")
    confidence, right = _judged(probabilities, truth)
    edges = np.linspace(0.0, 1.0, bins + 1)
    # Bins are open below; a confidence of 0 still belongs to the first one.
    places = np.searchsorted(edges[1:-1], confidence, side="left")
    counts = np.bincount(places, minlength=bins).tolist()
    confidences = np.bincount(places, confidence, bins).tolist()
    rights = np.bincount(places, right, bins).tolist()
    return tuple(
        Bin(low, high, of / n if n else None, good / n if n else None, n)
        for low, high, of, good, n in zip(
            edges[:-1].tolist(), edges[1:].tolist(), confidences, rights, counts, strict=True
        )
    )


def expected_calibration_error(
    probabilities: ArrayLike, truth: ArrayLike, bins: int = 15
) -> float | None:
    """How far confidence and accuracy are apart: Σ count/n |accuracy − confidence|, 0..1.

    Source: section 2, equation 3. None where no row is left. Raises `ValueError` as `reliability`.
    """
    filled = [each for each in reliability(probabilities, truth, bins) if each.count]
    pictures = sum(each.count for each in filled)
    apart = sum(
        each.count * abs((each.accuracy or 0.0) - (each.confidence or 0.0)) for each in filled
    )
    return apart / pictures if pictures else None


def _judged(
    probabilities: ArrayLike, truth: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The probability of each row's best class, and 1.0 where it is the true one, else 0.0."""
    rows = table(probabilities, "probabilities")
    true = indices(truth, rows.shape[1], len(rows))
    kept = (true != UNKNOWN) & ~np.isnan(rows).any(axis=1)
    rows, true = rows[kept], true[kept]
    if rows.size and (rows.min() < -_ROUNDING or rows.max() > 1 + _ROUNDING):
        raise ValueError(
            f"Expected probabilities in 0..1. Received: {rows.min():.4g} to {rows.max():.4g}."
        )
    if not rows.size:
        return np.empty(0), np.empty(0)
    best = rows.argmax(axis=1)
    return rows.max(axis=1).astype(np.float64).clip(0.0, 1.0), (best == true).astype(np.float64)


def softmax(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities of logits z that are divided by the temperature first: float64 (n, K).

    Source: section 4.2. Logarithms of probabilities are logits too. A row whose best logit is not
    finite becomes NaN. Raises `ValueError` unless T > 0.
    """
    if not temperature > 0:
        raise ValueError(f"Expected a temperature above 0. Received: {temperature}.")
    exponentials = np.exp(_shifted(table(logits, "logits")) / temperature)
    found: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return found


def cross_entropy(logits: ArrayLike, truth: ArrayLike) -> float | None:
    """The mean of −log softmax(z)[y], in nats, at least 0; None where no row is left.

    It is infinite where a true class has a logit of −∞. Raises `ValueError` for shapes and truths
    that do not fit.
    """
    loss, pictures = 0.0, 0
    for shifted, true in _blocks(logits, truth):
        own = shifted[np.arange(len(true)), true]
        loss += float((np.log(np.exp(shifted).sum(axis=1)) - own).sum())
        pictures += len(true)
    return loss / pictures if pictures else None


def temperature(logits: ArrayLike, truth: ArrayLike) -> float:
    """The T in 0.05..20 for which the mean cross-entropy of softmax(z / T) is least.

    Source: section 4.2. Divide logits by it, and the best class stays what it was. It is 1.0, a
    change of nothing, where no row is left, and where every row's best class is the true one (a
    model of one class included): then the loss falls for ever as T does, and pictures without a
    mistake cannot tell how sure to be. A model that is worse than chance gets 20. Raises
    `ValueError` for shapes and truths that do not fit.
    """
    return 1.0 if _separated(logits, truth) else _best(logits, truth)


def refinement(logits: ArrayLike, truth: ArrayLike) -> float | None:
    """The least mean cross-entropy of softmax(z / T) for any T in 0.05..20, in nats.

    It is how badly the classes are told apart: of the loss, what is left when nobody minds how
    sure the model is. A network that is fitted for longer grows surer than it should be, which a
    temperature mends, while it may still learn. None where no row is left. Raises `ValueError` for
    shapes and truths that do not fit. Source: Berta et al. 2025 (TS-refinement).
    """
    return cross_entropy(table(logits, "logits") / _best(logits, truth), truth)


def _best(logits: ArrayLike, truth: ArrayLike) -> float:
    """The temperature of the least loss, of those that are looked at."""
    low, high = 1 / HOTTEST, 1 / COLDEST
    if _slope(logits, truth, low)[0] >= 0:
        return HOTTEST
    if _slope(logits, truth, high)[0] <= 0:
        return COLDEST
    return 1 / _least(logits, truth, low, high)


def _least(logits: ArrayLike, truth: ArrayLike, low: float, high: float) -> float:
    """The b of the least loss, between two at which the loss falls and rises."""
    b = 1.0
    # The loss is convex in b, so the sign of its slope tells on which side the least one lies.
    for _ in range(_MOST_STEPS):
        slope, curvature = _slope(logits, truth, b)
        low, high = (b, high) if slope < 0 else (low, b)
        # Newton's step where it stays between what is known, else halfway in log T.
        step = b - slope / curvature if curvature > 0 else math.inf
        following = step if low < step < high else math.sqrt(low * high)
        if abs(following - b) <= _CLOSE * b:
            break
        b = following
    return b


def _slope(logits: ArrayLike, truth: ArrayLike, b: float) -> tuple[float, float]:
    """The first and the second derivative of the summed cross-entropy by b.

    They are Σ E_p[z] − z_y, and Σ of the variance of z under p.
    """
    slope = curvature = 0.0
    for shifted, true in _blocks(logits, truth):
        z = shifted.clip(min=_FLOOR)
        p = np.exp(b * z)
        p /= p.sum(axis=1, keepdims=True)
        mean = (p * z).sum(axis=1)
        slope += float((mean - z[np.arange(len(true)), true]).sum())
        curvature += float((p * np.square(z - mean[:, None])).sum())
    return slope, curvature


def _separated(logits: ArrayLike, truth: ArrayLike) -> bool:
    """Whether no true class has less than the best logit; so too where there is no row."""
    return all(
        bool((shifted[np.arange(len(true)), true] == 0).all())
        for shifted, true in _blocks(logits, truth)
    )


def _blocks(logits: ArrayLike, truth: ArrayLike) -> Iterator[tuple[NDArray[np.float64], Indices]]:
    """Rows that count, a few at a time, their logits less the best one of the row."""
    rows = table(logits, "logits")
    true = indices(truth, rows.shape[1], len(rows))
    for first in range(0, len(rows), _ROWS):
        some, of = rows[first : first + _ROWS], true[first : first + _ROWS]
        shifted = _shifted(some)
        kept = (of != UNKNOWN) & ~np.isnan(shifted).any(axis=1)
        yield shifted[kept], of[kept]


def _shifted(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    best = wide.max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore", over="ignore"):  # ∞ − ∞: a row without probabilities
        shifted: NDArray[np.float64] = wide - best
    return shifted
