"""What a neighbour's value is: a distance or a similarity, in float64.

A pair's value depends on nothing but its two vectors: not on the block, the batch or the order in
which it is computed. Equal vectors have the distance 0 and the similarity 1 to the last bit.
"""

import numpy as np
from numpy.typing import NDArray

from cnnkit.records import Metric
from cnnkit.search.vectors import Floats

Values = NDArray[np.float64]


def values(metric: Metric, vectors: Floats, query: Values) -> Values:
    """How near the vectors (n, D) are to the query (D,): float64 (n,).

    ``l2`` is ‖x − q‖; ``cosine`` is x·q / (‖x‖‖q‖), in −1…1, and 0 where one of them is zero.
    Where either is not finite, NaN.
    """
    with np.errstate(all="ignore"):
        found = _distances(vectors, query) if metric == "l2" else _similarities(vectors, query)
    found[~np.isfinite(found)] = np.nan
    return found


def best_first(metric: Metric, found: Values) -> Values:
    """Numbers that are the smaller, the nearer a value is."""
    return found if metric == "l2" else -found


def within(metric: Metric, found: Values, threshold: float) -> NDArray[np.bool_]:
    """Which values the threshold lets through; never NaN."""
    return found <= threshold if metric == "l2" else found >= threshold


def _distances(vectors: Floats, query: Values) -> Values:
    # Never through ‖x‖² − 2x·q + ‖q‖², which cancels where it matters most.
    apart = np.subtract(vectors, query, dtype=np.float64)
    distances: Values = np.sqrt(np.vecdot(apart, apart))
    return distances


def _similarities(vectors: Floats, query: Values) -> Values:
    wide = vectors.astype(np.float64)
    # One root of the product, not a product of roots: the root of a square is exact.
    lengths = np.sqrt(np.vecdot(wide, wide) * np.vecdot(query, query))
    cosines: Values = np.where(lengths == 0, 0.0, np.vecdot(wide, query) / lengths)
    return np.clip(cosines, -1.0, 1.0)
