"""Queries, stored or new → the records of what is near them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnkit.errors import CnnkitError
from cnnkit.records import Index, Metric, Neighbour, Neighbours, Skipped, Unanswered
from cnnkit.search.candidates import Found
from cnnkit.search.exact import all_pairs, nearest
from cnnkit.search.vectors import Floats, Matrix
from cnnkit.tasks.collection import Collection
from cnnkit.tasks.inputs import Inputs
from cnnkit.tasks.products import product_for

if TYPE_CHECKING:
    from cnnkit.search.ann import AnnIndex

# Queries that are answered by one pass over the store.
_TOGETHER = 1024
# No store has rows of more digits; Python refuses to read numbers of thousands of them.
_LONGEST_NUMBER = 18
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


@dataclass(slots=True)
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
    _opened: "AnnIndex | None" = field(default=None, init=False)

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
            known += zip(map(self._named, named, stored), stored, strict=True)
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
        """The row of a stored picture that has not changed; None for any other.

        Where there are no paths, the row that a number names.
        """
        if self.collection.has_paths:
            return self.collection.find_picture(query)
        number = query.isdecimal() and len(query) <= _LONGEST_NUMBER
        if not number or os.path.exists(query):
            return None
        return int(query) if int(query) < self.collection.readers[0].rows else None

    def _named(self, query: str, row: int | None) -> str | int:
        """What a query is called: as it was asked, or by its row where there are no paths."""
        return query if row is None or self.collection.has_paths else self.collection.name(row)

    def _search(self, queries: int | None) -> Search:
        """What answers so many queries; None where nobody knows how many will come."""
        matrix = self.searched.matrix
        if self.index == "usearch":
            index = self._index_of()
            return lambda vectors, own: index.search(
                vectors, count=self.count, threshold=self.threshold, leave_out=own
            )
        product = product_for(queries, matrix.rows, matrix.features, self.threads)
        return lambda vectors, own: nearest(
            matrix, vectors, metric=self.metric, count=self.count, threshold=self.threshold,
            leave_out=own, threads=self.threads, product=product,
        )  # fmt: skip

    def _index_of(self) -> "AnnIndex":
        """The index, opened once."""
        if self._opened is None:
            from cnnkit.tasks.approximate import index_of

            self._opened = index_of(self.collection, self.metric, self.threads)
        return self._opened

    def _stored(self, queries: Sequence[tuple[str | int, int]]) -> Iterator[Neighbours]:
        """The neighbours of stored pictures: (name, row) each."""
        if not queries:
            return
        search = self._search(len(queries))
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

        try:
            embedder = Embedder.for_stamp(stamp, **self.embedding)
        except CnnkitError as error:  # which matters to new pictures alone
            yield from self._only_stored(paths, error)
            return
        search = self._search(None)
        for group in grouped(embedder.batches(paths, look), most=_TOGETHER):
            yield from self._grouped(group, search)

    def _grouped(self, group: Sequence[tuple[str, Any]], search: Search) -> Iterator[Answer]:
        queries: list[tuple[str | int, int | None]] = []
        vectors = []
        for path, looked in group:
            if not isinstance(looked, Skipped):
                row = looked.row if isinstance(looked, _Stored) else None
                queries.append((self._named(path, row), row))
                vectors.append(looked if row is None else self.collection.matrix.vector(row))
        answers = self._answers(queries, np.stack(vectors), search) if vectors else iter(())
        for path, looked in group:
            if isinstance(looked, Skipped):
                yield Unanswered(path, looked.kind, looked.message)
            else:
                yield next(answers)

    def _only_stored(
        self, paths: Iterable[str], error: CnnkitError | None = None
    ) -> Iterator[Answer]:
        """Where nobody knows how the vectors were made, no other picture can be compared.

        Where somebody does, but cannot make any here, the first other picture raises the error.
        """
        why = f"not in {self.collection.readers[0].path}, which has no stamp to make its vector by"
        for path in paths:
            row = self._row_of(path)
            if row is not None:
                yield from self._stored([(self._named(path, row), row)])
            elif error:
                raise error
            else:
                yield Unanswered(path, "not_stored", why)

    def _answers(
        self,
        queries: Sequence[tuple[str | int, int | None]],
        vectors: Floats,
        search: Search,
    ) -> Iterator[Neighbours]:
        """The records of queries: (name, row if stored) each, and their vectors (Q, D)."""
        own = [None if self.include_self else self.searched.position(row) for _, row in queries]
        for (query, _), found in zip(queries, search(vectors, own), strict=True):
            yield self._told(query, found)

    def _told(self, query: str | int, found: Found) -> Neighbours:
        pairs = enumerate(zip(*found, strict=True), 1)
        near = [self._neighbour(rank, int(row), float(value)) for rank, (row, value) in pairs]
        return Neighbours(query, self.metric, tuple(near))

    def _neighbour(self, rank: int, position: int, value: float) -> Neighbour:
        place = self.collection.place(self.searched.row(position))
        # Similarities are of order 1; distances may be of any, and keep so many digits.
        told = float(f"{value:.8g}") if self.metric == "l2" else round(value, 6)
        return Neighbour(rank, place.path, place.row, told, self.collection.store_of(place))


@dataclass(frozen=True, slots=True)
class _Stored:
    """A query whose vector is in the store."""

    row: int
