"""The matrix that is searched: blocks of rows, where they lie on the disk."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Vectors = NDArray[np.float32] | NDArray[np.float16]
Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
# Rows whose lengths are computed at a time.
_CACHED_ROWS = 64


@dataclass(frozen=True, slots=True)
class Block:
    """The rows `first`… of a matrix: float32 or float16 (n, D), C-contiguous.

    They may be a read-only memory map.
    """

    first: int
    vectors: Vectors


class Matrix:
    """N vectors of D features, as blocks in order.

    Args:
        blocks: the rows, one block after the other, without a gap; none for an empty matrix.
        norms: the Euclidean length of each row, float32 (N,), at least as exact as float32
            arithmetic computes it; without them they are computed where they are first needed.
        features: D, for a matrix without blocks.

    Raises `ValueError` for blocks that do not fit together.
    """

    def __init__(
        self, blocks: Sequence[Block], norms: Floats | None = None, *, features: int = 0
    ) -> None:
        """Put the blocks together; nothing is read yet."""
        self.blocks = tuple(blocks)
        self.features = self.blocks[0].vectors.shape[1] if self.blocks else features
        self.rows = 0
        for block in self.blocks:
            self._append(block)
        if norms is not None and norms.shape != (self.rows,):
            raise ValueError(f"Expected {self.rows} norms. Received: shape {norms.shape}.")
        self.hidden: NDArray[np.bool_] | None = None
        self._norms = np.empty(self.rows, np.float32) if norms is None else norms
        self._known = np.full(self.rows, norms is not None)
        self._starts = np.array([block.first for block in self.blocks], np.int64)

    @classmethod
    def of(cls, vectors: Vectors, norms: Floats | None = None) -> "Matrix":
        """The matrix of one array (N, D)."""
        return cls([Block(0, vectors)], norms)

    @property
    def is_ready(self) -> bool:
        """Whether rows are float32 and all lengths known: one look at each of them is enough."""
        wide = all(block.vectors.dtype == np.float32 for block in self.blocks)
        return wide and bool(self._known.all())

    def without(self, hidden: NDArray[np.bool_]) -> "Matrix":
        """The same rows, of which those that are `hidden` (N,) are never near anything."""
        other = copy(self)
        other.hidden = hidden
        return other

    def vector(self, row: int) -> Floats:
        """A copy of one row, float32 (D,)."""
        vector: Floats = self.gather([row])[0]
        return vector

    def gather(self, rows: ArrayLike) -> Floats:
        """Copies of some rows in the order asked for, float32 (k, D)."""
        wanted = np.asarray(rows, np.int64)
        if len(self.blocks) == 1:
            only = self.blocks[0].vectors[wanted]
            return np.asarray(only, np.float32)
        out = np.empty((len(wanted), self.features), np.float32)
        places = np.searchsorted(self._starts, wanted, side="right") - 1
        for place in sorted(set(places.tolist())):
            chosen = np.flatnonzero(places == place)
            block = self.blocks[place]
            out[chosen] = block.vectors[wanted[chosen] - block.first]
        return out

    def parts(self, most: int, first: int = 0, last: int | None = None) -> Iterator[Block]:
        """The rows `first` to `last`, as views of at most `most` rows each."""
        last = self.rows if last is None else last
        for block in self.blocks:
            start, end = max(first - block.first, 0), min(last - block.first, len(block.vectors))
            for at in range(start, end, most):
                yield Block(block.first + at, block.vectors[at : min(at + most, end)])

    def joined(self, most: int, first: int = 0, last: int | None = None) -> Iterator[Block]:
        """As `parts`, but parts that are too small to be worth a product are put together."""
        waiting: list[Block] = []
        for part in self.parts(most, first, last):
            if sum(len(w.vectors) for w in waiting) + len(part.vectors) > most:
                yield _one(waiting)
                waiting = []
            waiting.append(part)
        if waiting:
            yield _one(waiting)

    def norms(self, first: int, last: int) -> Floats:
        """The lengths of the rows `first` to `last`, float32, computed at most once."""
        if not self._known[first:last].all():
            for part in self.parts(_CACHED_ROWS, first, last):
                self.learn(part.first, np.asarray(part.vectors, np.float32))
        return self._norms[first:last]

    def learn(self, first: int, vectors: Floats) -> None:
        """Note the lengths of the rows `first`…, unless they are known; from any thread."""
        place = slice(first, first + len(vectors))
        if not self._known[place].all():
            with np.errstate(all="ignore"):
                self._norms[place] = np.sqrt(np.vecdot(vectors, vectors))
            self._known[place] = True

    def _append(self, block: Block) -> None:
        vectors = block.vectors
        fits = vectors.ndim == 2 and vectors.shape[1] == self.features
        if not fits or block.first != self.rows or vectors.dtype not in (np.float16, np.float32):
            raise ValueError(
                f"Expected float vectors (n, {self.features}) from row {self.rows} on. "
                f"Received: {vectors.dtype} {vectors.shape} from row {block.first} on."
            )
        self.rows += len(vectors)


def _one(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    return Block(parts[0].first, np.concatenate([part.vectors for part in parts]))
