"""Pairs that might be near enough, until it is certain which are."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnnkit.search.bounds import Queries, Terms
from cnnkit.search.measures import Values, best_first, values, within
from cnnkit.search.threads import Share
from cnnkit.search.vectors import Floats, Matrix, Rows

# The first bounds come from so many rows, unless there are few queries.
_FIRST_ROWS, _FEW_QUERIES = 256, 8
# Numbers that are widened to float64 at a time.
_AT_ONCE = 1 << 19


class Found(NamedTuple):
    """The rows that are near one query, best first, and how near; of two ties the smaller row."""

    rows: Rows
    values: NDArray[np.float64]


class TooMany(Exception):
    """More pairs than may be held at a time: the caller asks with fewer queries."""


class Pairs(NamedTuple):
    """Pairs of a query and a row; the score of each lies between `low` and `high`."""

    queries: NDArray[np.int32]
    rows: Rows
    low: Values
    high: Values

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Pairs":
        """Some of them."""
        return Pairs(self.queries[which], self.rows[which], self.low[which], self.high[which])

    @classmethod
    def joined(cls, groups: list["Pairs"]) -> "Pairs":
        """Those of several groups."""
        none = np.empty(0)
        groups = [cls(none.astype(np.int32), none.astype(np.int64), none, none), *groups]
        return cls(
            np.concatenate([group.queries for group in groups]),
            np.concatenate([group.rows for group in groups]),
            np.concatenate([group.low for group in groups]),
            np.concatenate([group.high for group in groups]),
        )


class Candidates:
    """Collects what may be among the `count` nearest rows of each query, or within the threshold.

    Args:
        matrix: what is searched.
        queries: for whom.
        count: how many each wants at most.
        threshold: the worst value that counts.
        share: threads for the exact values.
        most: pairs that may wait; beyond them `offer` raises `TooMany`.
        budget: rows of one query that may be looked at in float64; a query that needs more is
            given up, as the product was too inexact for it.
    """

    def __init__(
        self,
        matrix: Matrix,
        queries: Queries,
        *,
        count: int | None,
        threshold: float | None,
        share: Share,
        most: float = float("inf"),
        budget: float = float("inf"),
    ) -> None:
        """Nothing is known yet."""
        self._matrix, self._queries, self._share = matrix, queries, share
        self._count, self._threshold = count, threshold
        self._most, self._budget = most, budget
        self._bounds = queries.bounds(threshold)
        self._spent = np.zeros(len(queries), np.int64)
        self._tidy = 0  # how many pairs were left by the last look
        self._waiting: list[Pairs] = []
        # So many of one query, and it is cheaper to know than to keep on guessing.
        self._patience = 0 if count is None else max(4 * count, count + 256)

    @property
    def held(self) -> int:
        """How many pairs wait."""
        return sum(len(pairs.rows) for pairs in self._waiting)

    @property
    def given_up(self) -> Rows:
        """The queries that are not answered."""
        return np.flatnonzero(self._spent > self._budget)

    def limits(self, terms: Terms) -> Floats:
        """The largest score of each query that is still of interest, float32 (Q,)."""
        with np.errstate(over="ignore"):
            limits = (self._bounds + terms.slack).astype(np.float32)
        limits = np.nextafter(limits, np.float32(np.inf))
        limits[self._queries.odd] = np.inf
        limits[self._spent > self._budget] = np.nan
        return limits

    def look_ahead(self, scores: Floats, terms: Terms) -> None:
        """Find first bounds in the first scores, so that not all of them become candidates."""
        if self._count is None or np.isfinite(self._bounds).all():
            return
        some = len(scores)
        if len(self._queries) > _FEW_QUERIES:
            some = min(some, max(_FIRST_ROWS, 8 * self._count))
        if self._count >= some:
            return
        columns = np.array(scores[:some].T, order="C")
        columns[np.isneginf(columns)] = np.inf  # rows about which nothing is known
        columns.partition(self._count, axis=1)  # one more than asked for: one may be left out
        best = columns[:, self._count].astype(np.float64)
        best[np.isnan(best)] = np.inf
        np.minimum(self._bounds, best + terms.gaps[:some].max() + terms.slack, out=self._bounds)

    def offer(self, scores: Floats, passing: NDArray[np.bool_], first: int, terms: Terms) -> None:
        """Take the pairs of a part that pass the limits; both (n, Q), for the rows `first`…"""
        flat = np.flatnonzero(passing)
        if not len(flat):
            return
        places, queries = np.divmod(flat, len(self._queries))
        rows = places + first
        low = scores.reshape(-1)[flat] - terms.slack[queries]
        high = low + terms.gaps[places] + 2 * terms.slack[queries]
        high[np.isneginf(low)] = np.inf
        pairs = Pairs(queries.astype(np.int32), rows, low, high)
        self._waiting.append(pairs.chosen(rows != self._queries.left_out[queries]))
        if self._count is not None and self.held > max(2 * self._tidy, len(self._queries)):
            self._sort_out()
        if self.held > self._most:
            raise TooMany

    def answers(self) -> list[Found]:
        """What was found, query by query; nothing for those that are given up."""
        self._sort_out()
        pairs, ends = self._by_query()
        if self._count is not None:
            self._spent += np.diff(ends)
        return self._settled(np.arange(len(self._queries)), pairs, ends)

    def _sort_out(self) -> None:
        """Drop what is not near enough any more."""
        if self._count is None:
            return
        self._tighten(self._count)
        pairs, ends = self._by_query()
        crowded = np.flatnonzero(np.diff(ends) > self._patience)
        if len(crowded):
            self._settle(crowded, pairs, ends)
        self._tidy = self.held

    def _tighten(self, count: int) -> None:
        """Nothing beyond the `count`-th largest that its score can be is of interest."""
        pairs = Pairs.joined(self._waiting)
        pairs = pairs.chosen(np.lexsort((pairs.high, pairs.queries)))
        ends = self._ends(pairs)
        places = ends[:-1] + count - 1
        enough = np.flatnonzero(places < ends[1:])
        self._bounds[enough] = np.minimum(self._bounds[enough], pairs.high[places[enough]])
        self._waiting = [pairs.chosen(pairs.low <= self._bounds[pairs.queries])]

    def _by_query(self) -> tuple[Pairs, Rows]:
        """All pairs in order of their queries, and where each query's begin, and the end."""
        pairs = Pairs.joined(self._waiting)
        pairs = pairs.chosen(np.argsort(pairs.queries, kind="stable"))
        return pairs, self._ends(pairs)

    def _ends(self, pairs: Pairs) -> Rows:
        return np.searchsorted(pairs.queries, np.arange(len(self._queries) + 1)).astype(np.int64)

    def _settle(self, crowded: Rows, pairs: Pairs, ends: Rows) -> None:
        """Look at some queries' pairs in float64, and keep no more than the best of them."""
        self._spent[crowded] += np.diff(ends)[crowded]
        kept = [pairs.chosen(~np.isin(pairs.queries, crowded))]
        settled = self._settled(crowded, pairs, ends)
        for query, found in zip(crowded, settled, strict=True):
            low, high = self._queries.scores(found.values, int(query))
            kept.append(Pairs(np.full(len(low), query, np.int32), found.rows, low, high))
            if len(high) == self._count:
                self._bounds[query] = min(self._bounds[query], high.max())
        self._waiting = kept

    def _settled(self, queries: Rows, pairs: Pairs, ends: Rows) -> list[Found]:
        """The nearest of the pairs of some queries, exactly."""
        out = [Found(np.empty(0, np.int64), np.empty(0))] * len(queries)
        groups = list(pairwise(ends))

        def work(first: int, last: int) -> None:
            for place in range(first, last):
                query = int(queries[place])
                if self._spent[query] <= self._budget:
                    start, end = groups[query]
                    out[place] = self._nearest(query, pairs.rows[start:end])

        self._share(work, len(queries))
        return out

    def _nearest(self, query: int, rows: Rows) -> Found:
        metric, wide = self._queries.metric, self._queries.given[query].astype(np.float64)
        step = max(1, _AT_ONCE // max(1, self._matrix.features))
        parts = [rows[at : at + step] for at in range(0, len(rows), step)]
        exact = [values(metric, self._matrix.gather(part), wide) for part in parts]
        found = np.concatenate([np.empty(0), *exact])
        keep = ~np.isnan(found)
        if self._threshold is not None:
            keep &= within(metric, found, self._threshold)
        rows, found = rows[keep], found[keep]
        order = np.lexsort((rows, best_first(metric, found)))[: self._count]
        return Found(rows[order], found[order])
