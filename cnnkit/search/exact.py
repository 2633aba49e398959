"""What is nearest, exactly: by one pass over all rows for many queries at a time."""

from collections.abc import Callable, Iterator, Sequence
from typing import get_args

import numpy as np

from cnnkit.errors import UsageError
from cnnkit.records import Metric
from cnnkit.search.bounds import NONE, Queries
from cnnkit.search.candidates import Candidates, Found, TooMany
from cnnkit.search.product import Float32Product, Product
from cnnkit.search.scan import Scan
from cnnkit.search.threads import Share, sharing
from cnnkit.search.vectors import Floats, Matrix, Rows

# Queries of one pass: numbers of theirs, and answers, that are held at a time.
_QUERIES, _NUMBERS, _ANSWERS = 1024, 1 << 24, 1 << 20
# Pairs that wait at a time, of some 60 bytes each.
_PAIRS = 1 << 21
# Fewer queries than these are not worth a product that was handed in; and rows of one query that
# are looked at in float64 before one pass in float32 is cheaper.
_WORTH_A_PRODUCT, _BUDGET = 16, 512
# Queries, and for each the row that it must not name.
Tile = tuple[Floats, Rows]


def nearest(
    matrix: Matrix,
    queries: Floats,
    *,
    metric: Metric,
    count: int | None,
    threshold: float | None = None,
    leave_out: Sequence[int | None] | None = None,
    threads: int = 1,
    product: Product | None = None,
) -> Iterator[Found]:
    """The rows nearest to each query, in the order of the queries.

    Args:
        matrix: N rows of D features; those that are not finite are never near anything.
        queries: float32 (Q, D); one that is not finite has no neighbours.
        metric: ``l2``, the Euclidean distance, smallest first; ``cosine``, the similarity in
            −1…1, largest first, 0 with a zero vector.
        count: how many at most; None for all that pass the threshold.
        threshold: the largest distance, or the least similarity, that still counts.
        leave_out: for each query a row that it must not name, or None.
        threads: how many work on it; the matrix product has its own.
        product: a faster product for many queries; the answers are the same with any.

    Values are those of float64 arithmetic on the two vectors, and thresholds and ranks go by them;
    ties are in order of the rows. Raises `UsageError` for queries that do not fit the matrix, an
    unknown metric, a negative count, a threshold that is no number, or neither of the two.
    """
    check(metric, count, threshold)
    if queries.ndim != 2 or queries.shape[1] != matrix.features:
        raise UsageError(
            f"Expected queries of {matrix.features} features. Received: shape {queries.shape}."
        )
    if leave_out is not None and len(leave_out) != len(queries):
        raise UsageError(
            f"Expected a row to leave out for each of {len(queries)} queries, or None. "
            f"Received: {len(leave_out)}."
        )
    return _nearest(matrix, queries, metric, count, threshold, leave_out, threads, product)


def all_pairs(
    matrix: Matrix,
    *,
    metric: Metric,
    count: int | None,
    threshold: float | None = None,
    include_self: bool = False,
    threads: int = 1,
    product: Product | None = None,
) -> Iterator[Found]:
    """What is near each row, in the order of the rows, with memory that does not grow with N².

    As `nearest` with every row as a query; unless `include_self`, none names itself.
    """
    check(metric, count, threshold)
    return _all_pairs(matrix, metric, count, threshold, include_self, threads, product)


def check(metric: str, count: int | None, threshold: float | None) -> None:
    """Raise `UsageError` for what no search can answer."""
    if metric not in get_args(Metric):
        raise UsageError(f"Expected {' or '.join(get_args(Metric))}. Received: metric {metric!r}.")
    if count is None and threshold is None:
        raise UsageError("Expected a count, a threshold, or both. Received: neither.")
    if count is not None and count < 0:
        raise UsageError(f"Expected a count of at least 0. Received: {count}.")
    if threshold is not None and np.isnan(threshold):
        raise UsageError("Expected a number as threshold. Received: nan.")


def nothing() -> Found:
    """No neighbour."""
    return Found(np.empty(0, np.int64), np.empty(0))


def _nearest(
    matrix: Matrix,
    given: Floats,
    metric: Metric,
    count: int | None,
    threshold: float | None,
    leave_out: Sequence[int | None] | None,
    threads: int,
    product: Product | None,
) -> Iterator[Found]:
    left_out = np.array(
        [NONE if row is None else row for row in leave_out or [None] * len(given)], np.int64
    )
    with sharing(threads) as share:
        search = _Search(matrix, metric, count, threshold, product, share)
        yield from search.tiles(len(given), lambda a, b: (given[a:b], left_out[a:b]))


def _all_pairs(
    matrix: Matrix,
    metric: Metric,
    count: int | None,
    threshold: float | None,
    include_self: bool,
    threads: int,
    product: Product | None,
) -> Iterator[Found]:
    def rows(first: int, last: int) -> tuple[Floats, Rows]:
        own = np.arange(first, last)
        return matrix.gather(own), np.full(len(own), NONE) if include_self else own

    with sharing(threads) as share:
        search = _Search(matrix, metric, count, threshold, product, share)
        yield from search.tiles(matrix.rows, rows)


class _Search:
    """Answers queries tile by tile, a tile being as many as one pass over the matrix serves."""

    def __init__(
        self,
        matrix: Matrix,
        metric: Metric,
        count: int | None,
        threshold: float | None,
        product: Product | None,
        share: Share,
    ) -> None:
        self._matrix, self._metric, self._share = matrix, metric, share
        self._threshold = threshold
        self._count = None if count is None else min(count, matrix.rows)
        self._plain = Scan(matrix, Float32Product(), share)
        self._fast = Scan(matrix, product, share) if product else None
        most = min(_QUERIES, _NUMBERS // max(1, matrix.features))
        self._most = max(1, min(most, _ANSWERS // max(1, self._count or 1)))

    def tiles(self, queries: int, take: Callable[[int, int], Tile]) -> Iterator[Found]:
        """Answers to all queries; `take` gives those from one to another."""
        first, size = 0, self._most
        while first < queries:
            try:
                answers = self._tile(*take(first, min(first + size, queries)))
            except TooMany:
                size //= 2
                continue
            yield from answers
            first, size = first + len(answers), min(2 * size, self._most)

    def _tile(self, given: Floats, left_out: Rows) -> list[Found]:
        finite = np.flatnonzero(np.isfinite(given).all(axis=1))
        answers = [nothing() for _ in given]
        if self._count == 0 or not self._matrix.rows or not len(finite):
            return answers
        for place, found in zip(finite, self._pass(given[finite], left_out[finite]), strict=True):
            answers[place] = found
        return answers

    def _pass(self, given: Floats, left_out: Rows, *, plain: bool = False) -> list[Found]:
        """Answers to finite queries; `plain` is without the product that was handed in."""
        fast = self._fast is not None and not plain and len(given) >= _WORTH_A_PRODUCT
        queries = Queries.of(self._metric, given, left_out)
        candidates = Candidates(
            self._matrix,
            queries,
            count=self._count,
            threshold=self._threshold,
            share=self._share,
            most=_PAIRS if len(given) > 1 else float("inf"),
            budget=_BUDGET + 4 * (self._count or 0) if fast else float("inf"),
        )
        (self._fast if self._fast and fast else self._plain).run(queries, candidates)
        answers = candidates.answers()
        if len(again := candidates.given_up):
            for at, found in zip(again, self._pass(given[again], left_out[again], plain=True),
                                 strict=True):  # fmt: skip
                answers[at] = found
        return answers
