"""Brute force in float64, and data that is hard to search."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnkit.search.candidates import Found
from cnnkit.search.vectors import Block, Matrix

# Two float64 computations of a value agree to this; ranks closer than it may be exchanged.
AGREE = 1e-9


def cut(vectors: NDArray[Any], *places: int, norms: bool = False) -> Matrix:
    """The matrix in blocks, cut at these rows."""
    edges = sorted({0, len(vectors), *(place % (len(vectors) + 1) for place in places)})
    pairs = pairwise(edges)
    blocks = [Block(a, np.ascontiguousarray(vectors[a:b])) for a, b in pairs]
    with np.errstate(all="ignore"):
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32)
    return Matrix(blocks, lengths if norms else None, features=vectors.shape[1])


def all_values(vectors: NDArray[Any], query: NDArray[Any], metric: str) -> NDArray[np.float64]:
    """The value of every row, NaN where the row is not finite."""
    x, q = vectors.astype(np.float64), query.astype(np.float64)
    with np.errstate(all="ignore"):
        if metric == "l2":
            found = np.sqrt(((x - q) ** 2).sum(axis=1))
        else:
            lengths = np.sqrt((x * x).sum(axis=1) * (q * q).sum())
            found = np.where(lengths == 0, 0, (x * q).sum(axis=1) / lengths)
    found[~np.isfinite(found) | ~np.isfinite(q).all()] = np.nan
    return found


def check(
    found: Found,
    vectors: NDArray[Any],
    query: NDArray[Any],
    metric: str,
    *,
    count: int | None,
    threshold: float | None = None,
    leave_out: int | None = None,
) -> None:
    """Assert that the answer is what brute force says, up to ranks that float64 cannot tell."""
    truth = all_values(vectors, query, metric)
    if leave_out is not None:
        truth[leave_out] = np.nan
    sign = 1 if metric == "l2" else -1
    slack = AGREE * (abs(threshold) if threshold else 1)
    known = np.sort(sign * truth[~np.isnan(truth)])
    least, most = len(known), len(known)
    if threshold is not None:
        least = int((known <= sign * threshold - slack).sum())
        most = int((known <= sign * threshold + slack).sum())
    limit = len(truth) if count is None else count
    assert min(least, limit) <= len(found.rows) <= min(most, limit)
    assert found.rows.dtype == np.int64 and found.values.dtype == np.float64
    assert len(set(found.rows.tolist())) == len(found.rows)
    values = sign * found.values
    close: Any = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(values, sign * truth[found.rows], **close)
    np.testing.assert_allclose(values, known[: len(values)], **close)
    order = np.lexsort((found.rows, values))
    assert (order == np.arange(len(order))).all()


def same(one: list[Found], two: list[Found]) -> None:
    """Assert that both answers are equal to the last bit."""
    assert len(one) == len(two)
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left.rows, right.rows)
        np.testing.assert_array_equal(left.values, right.values)


def clustered(rows: int, features: int, centres: int, seed: int = 0) -> NDArray[np.float32]:
    """Gaussian clouds around gaussian centres, as pictures of like things lie."""
    rng = np.random.default_rng(seed)
    middle = rng.standard_normal((centres, features), np.float32)
    noise = rng.standard_normal((rows, features), np.float32)
    return middle[rng.integers(0, centres, rows)] + np.float32(0.5) * noise
