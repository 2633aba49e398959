"""Groups of near-duplicates, each around one row that is kept."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnkit.errors import UsageError
from cnnkit.records import Metric
from cnnkit.search.candidates import Found
from cnnkit.search.exact import check, nearest
from cnnkit.search.product import Product
from cnnkit.search.vectors import Floats, Matrix, Rows

# Rows that are decided on in one pass over the matrix: numbers of theirs, and at most.
_NUMBERS, _AT_ONCE = 1 << 24, 1024


class Group(NamedTuple):
    """A row that is kept, and those that it makes redundant, each with its distance or similarity.

    The redundant ones come in the order in which they were visited.
    """

    kept: int
    redundant: tuple[tuple[int, float], ...]


def groups(
    matrix: Matrix,
    *,
    threshold: float,
    metric: Metric = "cosine",
    order: Sequence[int] | None = None,
    threads: int = 1,
    product: Product | None = None,
) -> list[Group]:
    """Rows that say the same again, each near the one that is kept: there are no chains.

    Rows are visited in `order`, the best first; all of them in their own order by default. A row
    within the threshold of rows that are kept already joins the nearest of them, of two ties the
    smaller; any other row is kept. Groups of one are left out, and the others come in the order in
    which their rows were kept.

    Equal rows are always together, unless they are no vectors (NaN stays alone) or have no
    direction: the cosine of a zero vector with anything is 0. Raises `UsageError` as `nearest`
    does, and for an order that names a row twice or one that is not there.
    """
    check(metric, None, threshold)
    visits = _visits(order, matrix.rows)
    walk = _Walk(matrix, threshold, metric, threads, product)
    step = max(1, min(_AT_ONCE, _NUMBERS // max(1, matrix.features)))
    for at in range(0, len(visits), step):
        walk.visit(visits[at : at + step])
    return [Group(row, tuple(redundant)) for row, redundant in walk.kept.items() if redundant]


def _visits(order: Sequence[int] | None, rows: int) -> Rows:
    if order is None:
        return np.arange(rows)
    visits = np.array(order, np.int64).reshape(-1)
    if len(np.unique(visits)) != len(visits) or ((visits < 0) | (visits >= rows)).any():
        raise UsageError(f"Expected an order that names rows from 0 to {rows - 1} once each.")
    return visits


class _Walk:
    """Decides on rows, some at a time; `kept` holds the decisions."""

    def __init__(
        self,
        matrix: Matrix,
        threshold: float,
        metric: Metric,
        threads: int,
        product: Product | None,
    ) -> None:
        self._matrix, self._threshold, self._metric = matrix, threshold, metric
        self._threads, self._product = threads, product
        self.kept: dict[int, list[tuple[int, float]]] = {}
        # Nothing is near what is redundant, or not decided on yet.
        self._hidden: NDArray[np.bool_] = np.ones(matrix.rows, bool)

    def visit(self, rows: Rows) -> None:
        """Decide on these rows, in this order."""
        vectors = self._matrix.gather(rows)
        earlier = self._near(self._matrix.without(self._hidden), vectors, 1)
        # Only a row that is near none of the earlier may be kept, and be near the others here.
        open_ = np.array([place for place, found in enumerate(earlier) if not len(found.rows)], int)
        among = self._near(Matrix.of(vectors[open_]), vectors, None) if len(open_) else []
        for place, row in enumerate(rows.tolist()):
            options = [*_pairs(earlier[place])]
            if among:
                places, values = among[place]
                # Later rows of this lot are not kept yet, and the row itself never is.
                options += [
                    (int(rows[open_[near]]), value)
                    for near, value in zip(places.tolist(), values.tolist(), strict=True)
                    if open_[near] < place and int(rows[open_[near]]) in self.kept
                ]
            self._decide(row, options)

    def _decide(self, row: int, options: list[tuple[int, float]]) -> None:
        if not options:
            self.kept[row] = []
            self._hidden[row] = False
            return
        sign = 1 if self._metric == "l2" else -1
        near, value = min(options, key=lambda option: (sign * option[1], option[0]))
        self.kept[near].append((row, value))

    def _near(self, matrix: Matrix, vectors: Floats, count: int | None) -> list[Found]:
        return list(
            nearest(
                matrix,
                vectors,
                metric=self._metric,
                count=count,
                threshold=self._threshold,
                threads=self._threads,
                product=self._product,
            )
        )


def _pairs(found: Found) -> list[tuple[int, float]]:
    return list(zip(found.rows.tolist(), found.values.tolist(), strict=True))
