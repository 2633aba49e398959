"""What is nearest, approximately and much faster: a graph of neighbours in a file.

The graph is that of Malkov and Yashunin 2018 ("Efficient and robust approximate nearest neighbor
search using hierarchical navigable small world graphs"), built and walked by usearch. It only
proposes rows: their values and their order are computed from the matrix, exactly.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit.errors import UsageError
from cnnkit.records import Metric
from cnnkit.search.candidates import Found
from cnnkit.search.exact import check, nothing
from cnnkit.search.index_file import Contents, Damaged, Keys, read, write
from cnnkit.search.measures import best_first, values, within
from cnnkit.search.vectors import Floats, Matrix, Rows

log = logging.getLogger(__name__)
_METRICS = {"l2": "l2sq", "cosine": "cos"}
# Half of float32's memory and its whole range. What it loses in precision is made good by the
# exact values of some more rows than were asked for.
_DTYPE, _MORE = "bf16", 10
# Links of a row; rows that are looked at to find its place, and to answer a query.
_SETTINGS = {"connectivity": 16, "expansion_add": 128, "expansion_search": 64}
# Numbers that are added, and queries that are answered, at a time.
_ADDED, _ANSWERED = 1 << 23, 256

# Is told how many rows are added, and of how many.
Progress = Callable[[int, int], None]


class AnnIndex:
    """An index of the rows of a matrix; `open` makes one."""

    def __init__(self, index: Any, metric: Metric, ids: Keys, matrix: Matrix, threads: int) -> None:
        """Take an index whose keys are `ids`, or some of them."""
        self._index, self._metric, self._matrix = index, metric, matrix
        self._threads = threads
        self._rows = np.argsort(ids, kind="stable").astype(np.int64)
        self._ids = ids[self._rows]

    @classmethod
    def open(
        cls,
        path: Path,
        identity: str,
        features: int,
        metric: Metric,
        ids: Keys,
        matrix: Matrix,
        *,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> "AnnIndex":
        """The index in the file, brought up to date; built where there is none that fits.

        Args:
            path: the file; its folder is made.
            identity: names what the vectors are; an index of anything else is built anew.
            features: D.
            metric: as `exact.nearest`.
            ids: uint64 (N,), what each row of the matrix is called for good, each once: an
                identity that is in the file stands for the same vector as then.
            matrix: the N rows.
            threads: how many build and search.
            progress: is told how the building goes.

        An index that is damaged is built anew. Where the file cannot be written, the index serves
        this once. Raises `UsageError` where usearch is not installed or the ids are not N numbers.
        """
        check(metric, 1, None)
        if ids.shape != (matrix.rows,) or features != matrix.features:
            raise UsageError(
                f"Expected an id for each of {matrix.rows} rows of {matrix.features} features. "
                f"Received: {len(ids)} ids, {features} features."
            )
        contents = Contents(identity, features, metric)
        keeper = _Keeper(path, contents, threads, progress)
        return cls(keeper.current(ids.astype(np.uint64), matrix), metric, ids, matrix, threads)

    def search(
        self,
        queries: Floats,
        count: int | None,
        threshold: float | None = None,
        leave_out: Sequence[int | None] | None = None,
    ) -> Iterator[Found]:
        """As `exact.nearest`, but a neighbour may be missed."""
        check(self._metric, count, threshold)
        return self._search(queries, count, threshold, leave_out)

    def _search(
        self,
        queries: Floats,
        count: int | None,
        threshold: float | None,
        leave_out: Sequence[int | None] | None,
    ) -> Iterator[Found]:
        left = leave_out or [None] * len(queries)
        for at in range(0, len(queries), _ANSWERED):
            some = queries[at : at + _ANSWERED]
            # What passes a threshold is not known beforehand: a first guess, doubled as needed.
            wanted = _MORE if count is None else count
            proposals = self._proposed(some, wanted + _MORE)
            for query, rows, row in zip(some, proposals, left[at:], strict=False):
                yield self._answer(query, rows, row, count, threshold)

    def _answer(
        self, query: Floats, rows: Rows, left_out: int | None, count: int | None,
        threshold: float | None,
    ) -> Found:  # fmt: skip
        if count == 0 or not np.isfinite(query).all():
            return nothing()
        while True:
            found = self._ranked(query, rows[rows != left_out], threshold)
            enough = count is not None or len(found.rows) < len(rows) - 1
            if enough or len(rows) >= len(self._index):
                return Found(found.rows[:count], found.values[:count])
            rows = self._proposed(query[None], 2 * len(rows))[0]

    def _ranked(self, query: Floats, rows: Rows, threshold: float | None) -> Found:
        found = values(self._metric, self._matrix.gather(rows), query.astype(np.float64))
        keep = ~np.isnan(found)
        if threshold is not None:
            keep &= within(self._metric, found, threshold)
        rows, found = rows[keep], found[keep]
        order = np.lexsort((rows, best_first(self._metric, found)))
        return Found(rows[order], found[order])

    def _proposed(self, queries: Floats, count: int) -> list[Rows]:
        """Rows that are near each query, of the matrix as it is."""
        count = min(count, len(self._index))
        if not count:
            return [np.empty(0, np.int64) for _ in queries]
        with np.errstate(all="ignore"):
            safe = np.nan_to_num(queries)
        matches: Any = self._index.search(safe, count, threads=self._threads)
        if len(queries) == 1:
            return [self._rows[np.searchsorted(self._ids, np.ravel(matches.keys))]]
        # Where there are fewer than asked for, the rest of the keys mean nothing.
        pairs = zip(matches.keys, matches.counts, strict=True)
        return [self._rows[np.searchsorted(self._ids, keys[:some])] for keys, some in pairs]


class _Keeper:
    """Brings the index in a file up to date."""

    def __init__(
        self, path: Path, contents: Contents, threads: int, progress: Progress | None
    ) -> None:
        self._path, self._contents = path, contents
        self._threads, self._progress = threads, progress

    def current(self, ids: Keys, matrix: Matrix) -> Any:
        """An index of these ids: the file's where it says so, else a changed or a new one."""
        known = self._known()
        gone = np.setdiff1d(known, ids)
        # A row that is taken out leaves its place in the graph; most of them leave it in tatters.
        if len(gone) > len(known) / 2:
            known = gone = np.empty(0, np.uint64)
        new = np.flatnonzero(~np.isin(ids, known))
        index = self._opened(view=not len(gone) and not len(new)) if len(known) else None
        if index is None:
            index, known, gone = self._empty(), known[:0], gone[:0]
            new = np.arange(len(ids))
        elif not len(gone) and not len(new):
            return index
        if len(gone):
            index.remove(gone)
        self._add(index, ids, new, matrix)
        self._save(index, ids)
        return index

    def _known(self) -> Keys:
        """The ids in the file; none where it is not there, damaged, or of something else."""
        try:
            contents, keys = read(self._path)
        except FileNotFoundError:
            return np.empty(0, np.uint64)
        except (Damaged, OSError) as error:
            log.warning("The index %s is built anew: %s.", self._path, error)
            return np.empty(0, np.uint64)
        if contents != self._contents:
            log.info("The index %s is of something else, and is built anew.", self._path)
            return np.empty(0, np.uint64)
        return keys

    def _opened(self, *, view: bool) -> Any:
        index = self._empty()
        try:
            (index.view if view else index.load)(str(self._path))
        except Exception as error:  # whatever the library says of its own bytes
            log.warning("The index %s is built anew: %s.", self._path, error)
            return None
        return index

    def _empty(self) -> Any:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise UsageError(
                "An index of neighbours needs usearch, which is not installed. "
                "Type: pip install 'cnnkit[ann]'"
            ) from error
        metric = _METRICS[self._contents.metric]
        return Index(ndim=self._contents.features, metric=metric, dtype=_DTYPE, **_SETTINGS)

    def _add(self, index: Any, ids: Keys, rows: Rows, matrix: Matrix) -> None:
        step = max(1, _ADDED // max(1, matrix.features))
        for at in range(0, len(rows), step):
            some = rows[at : at + step]
            vectors = matrix.gather(some)
            # What is no vector is near nothing, and would only mislead.
            sound = np.isfinite(vectors).all(axis=1)
            if sound.any():
                index.add(ids[some[sound]], vectors[sound], threads=self._threads)
            if self._progress:
                self._progress(at + len(some), len(rows))

    def _save(self, index: Any, ids: Keys) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write(self._path, index.save, self._contents, ids)
        except (OSError, RuntimeError) as error:  # the library raises the latter
            log.warning("The index %s could not be kept: %s.", self._path, error)
