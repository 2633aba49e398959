"""Queries, stored or new → the records of what is near them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.records import Index, Metric, Neighbour, Neighbours, Skipped, Unanswered
from cnnkit.search.candidates import Found
from cnnkit.search.exact import all_pairs, nearest
from cnnkit.search.vectors import Floats, Matrix
from cnnkit.tasks.collection import Collection
from cnnkit.tasks.inputs import Inputs
from cnnkit.tasks.products import product_for

# Queries that are answered by one pass over the store.
_TOGETHER = 1024
Answer = Neighbours | Unanswered


class Searched:
    """The rows of a collection that may be neighbours: all of them, or only some."""

    def __init__(self, collection: Collection, rows: Sequence[int] | None = None) -> None:
        """Search these rows of the collection; None for all."""
        self._rows = rows
        self._place_of = None if rows is None else {row: i for i, row in enumerate(rows)}
        self.matrix = (
            collection.matrix if rows is None else Matrix.of(collection.matrix.gather(rows))
        )

    def row(self, position: int) -> int:
        """The collection's row at a position of the matrix."""
        return position if self._rows is None else self._rows[position]

    def position(self, row: int | None) -> int | None:
        """Where the matrix has a row of the collection; None where it has not."""
        if row is None or self._place_of is None:
            return row
        return self._place_of.get(row)


Search = Callable[[Floats, Sequence[int | None]], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a collection: how near, how many, among which rows, by what means."""

    collection: Collection
    searched: Searched
    metric: Metric
    count: int | None
    threshold: float | None
    include_self: bool
    threads: int
    index: Index
    embedding: dict[str, Any]

    def all(self) -> Iterator[Answer]:
        """The neighbours of every stored picture."""
        matrix, name = self.collection.matrix, self.collection.name
        if self.index == "exact" and matrix is self.searched.matrix:
            product = product_for(matrix.rows, matrix.rows, matrix.features, self.threads)
            pairs = all_pairs(
                matrix, metric=self.metric, count=self.count, threshold=self.threshold,
                include_self=self.include_self, threads=self.threads, product=product,
            )  # fmt: skip
            for row, found in enumerate(pairs):
                yield self._told(name(row), found)
            return
        yield from self._stored([(name(row), row) for row in range(matrix.rows)])

    def of(self, rows: Sequence[int], inputs: Inputs) -> Iterator[Answer]:
        """The neighbours of these rows, then those of these pictures."""
        known = [(self.collection.name(row), row) for row in rows]
        unknown: Iterable[str] = inputs.paths()
        if inputs.count() is not None:  # the stored ones among them need no pipeline
            named = list(unknown)
            stored = list(self._first_rows(named))
            known += zip(named, stored, strict=False)
            unknown = named[len(stored) :]
            if not unknown:
                yield from self._stored(known)
                return
        yield from self._stored(known)
        yield from self._mixed(unknown)

    def _first_rows(self, paths: Iterable[str]) -> Iterator[int]:
        """The rows of the first paths, as far as they are stored."""
        for path in paths:
            row = self._row_of(path)
            if row is None:
                return
            yield row

    def _row_of(self, query: str) -> int | None:
        """The row of a stored picture; or the one that a number names, where there are no paths."""
        if self.collection.has_paths:
            return self.collection.find(query)
        named = query.isdecimal() and not os.path.exists(query)
        return int(query) if named and int(query) < self.collection.matrix.rows else None

    def _search(self, queries: int | None) -> Search:
        """What answers so many queries; None where nobody knows how many will come."""
        matrix = self.searched.matrix
        if self.index == "usearch":
            from cnnkit.tasks.approximate import index_of

            index = index_of(self.collection, self.metric, self.threads)
            return lambda vectors, own: index.search(
                vectors, count=self.count, threshold=self.threshold, leave_out=own
            )
        product = product_for(queries, matrix.rows, matrix.features, self.threads)
        return lambda vectors, own: nearest(
            matrix, vectors, metric=self.metric, count=self.count, threshold=self.threshold,
            leave_out=own, threads=self.threads, product=product,
        )  # fmt: skip

    def _stored(self, queries: Sequence[tuple[str | int, int]]) -> Iterator[Neighbours]:
        """The neighbours of stored pictures: (name, row) each."""
        search = self._search(len(queries)) if queries else None
        for first in range(0, len(queries), _TOGETHER):
            part = queries[first : first + _TOGETHER]
            vectors = self.collection.matrix.gather([row for _, row in part])
            yield from self._answers(part, vectors, search)

    def _mixed(self, paths: Iterable[str]) -> Iterator[Answer]:
        """The neighbours of pictures some of which have to be turned into vectors first."""
        stamp = self.collection.stamp
        if stamp is None:
            yield from self._only_stored(paths)
            return
        from cnnkit.tasks.embedding import Embedder
        from cnnkit.tasks.pipeline import grouped

        def look(path: str) -> _Stored | None:
            row = self._row_of(path)
            return None if row is None else _Stored(row)

        search = self._search(None)
        embedder = Embedder.for_stamp(stamp, **self.embedding)
        for group in grouped(embedder.batches(paths, look), most=_TOGETHER):
            yield from self._grouped(group, search)

    def _grouped(self, group: Sequence[tuple[str, Any]], search: Search) -> Iterator[Answer]:
        queries: list[tuple[str, int | None]] = []
        vectors = []
        for path, looked in group:
            if not isinstance(looked, Skipped):
                row = looked.row if isinstance(looked, _Stored) else None
                queries.append((path, row))
                vectors.append(looked if row is None else self.collection.matrix.vector(row))
        answers = self._answers(queries, np.stack(vectors), search) if vectors else iter(())
        for path, looked in group:
            if isinstance(looked, Skipped):
                yield Unanswered(path, looked.kind, looked.message)
            else:
                yield next(answers)

    def _only_stored(self, paths: Iterable[str]) -> Iterator[Answer]:
        """Where nobody knows how the vectors were made, no other picture can be compared."""
        why = f"not in {self.collection.readers[0].path}, which has no stamp to make its vector by"
        for path in paths:
            row = self._row_of(path)
            if row is None:
                yield Unanswered(path, "not_stored", why)
            else:
                yield from self._stored([(path, row)])

    def _answers(
        self,
        queries: Sequence[tuple[str | int, int | None]],
        vectors: Floats,
        search: Search | None,
    ) -> Iterator[Neighbours]:
        """The records of queries: (name, row if stored) each, and their vectors (Q, D)."""
        if search is None:
            return
        own = [None if self.include_self else self.searched.position(row) for _, row in queries]
        for (query, _), found in zip(queries, search(vectors, own), strict=True):
            yield self._told(query, found)

    def _told(self, query: str | int, found: Found) -> Neighbours:
        pairs = enumerate(zip(*found, strict=True), 1)
        near = [self._neighbour(rank, int(row), float(value)) for rank, (row, value) in pairs]
        return Neighbours(query, self.metric, tuple(near))

    def _neighbour(self, rank: int, position: int, value: float) -> Neighbour:
        place = self.collection.place(self.searched.row(position))
        store = str(place.reader.path) if self.collection.several else None
        return Neighbour(rank, place.path, place.row, round(value, 6), store)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A query whose vector is in the store."""

    row: int
