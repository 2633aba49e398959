"""One pass of some queries over the matrix, part by part, while each part is in the cache."""

from functools import partial

import numpy as np

from cnnkit.search.bounds import Queries, Terms
from cnnkit.search.candidates import Candidates
from cnnkit.search.product import Product, summing_error
from cnnkit.search.threads import Share
from cnnkit.search.vectors import Block, Floats, Matrix

# So few queries are read along with the rows; more are a matrix product.
FEW = 4
# Numbers that a thread multiplies at a time: half of a usual second-level cache.
_CACHED = 1 << 17
# … where each number is read but once, so that the cache is no matter.
_STREAMED = 1 << 22
# Products that are held at a time (8 MB), and numbers that are widened from float16 (32 MB).
_PRODUCTS, _WIDENED = 1 << 21, 1 << 23


class Scan:
    """Passes of queries over a matrix.

    Args:
        matrix: what is searched.
        product: multiplies rows and queries, where they are more than `FEW`.
        share: the threads for everything else.
    """

    def __init__(self, matrix: Matrix, product: Product, share: Share) -> None:
        """Nothing is read yet."""
        self._matrix, self._product, self._share = matrix, product, share
        self._wide = np.empty(0, np.float32)

    def run(self, queries: Queries, candidates: Candidates) -> None:
        """Offer to the candidates every row that may be near enough."""
        if len(queries) <= FEW:
            self._run_few(queries, candidates)
            return
        most = min(_PRODUCTS // len(queries), _WIDENED // max(1, self._matrix.features))
        for part in self._matrix.joined(max(1, most)):
            if self._hides(part):
                continue
            products, terms = self.products(part, queries)
            self.select(products, terms, part.first, candidates)

    def products(self, part: Block, queries: Queries) -> tuple[Floats, Terms]:
        """Rows times queries (n, Q), not yet scores, and what makes them such."""
        wide = self.widened(part)
        products, error = self._product(wide, queries.right)
        self._share(lambda a, b: self._learn(part.first, wide, a, b), len(wide))
        last = part.first + len(wide)
        return products, Terms.of(queries, self._matrix, part.first, last, error)

    def select(self, products: Floats, terms: Terms, first: int, candidates: Candidates) -> None:
        """Turn products into scores, and offer those that pass."""
        self._share(lambda a, b: terms.score(products[a:b], a), len(products))
        candidates.look_ahead(products, terms)
        limits, passing = candidates.limits(terms), np.empty(products.shape, bool)

        def compare(first: int, last: int) -> None:
            np.less_equal(products[first:last], limits, out=passing[first:last])

        self._share(compare, len(products))
        candidates.offer(products, passing, first, terms)

    def _hides(self, part: Block) -> bool:
        hidden = self._matrix.hidden
        place = slice(part.first, part.first + len(part.vectors))
        return hidden is not None and bool(hidden[place].all())

    def widened(self, part: Block) -> Floats:
        """The part's rows in float32; they hold until the next call."""
        if part.vectors.dtype == np.float32:
            return part.vectors  # type: ignore[return-value]
        if self._wide.size < part.vectors.size:
            self._wide = np.empty(part.vectors.size, np.float32)
        wide = self._wide[: part.vectors.size].reshape(part.vectors.shape)
        self._share(lambda a, b: np.copyto(wide[a:b], part.vectors[a:b]), len(wide))
        return wide

    def _learn(self, offset: int, vectors: Floats, first: int, last: int) -> None:
        step = max(1, _CACHED // max(1, self._matrix.features))
        for at in range(first, last, step):
            self._matrix.learn(offset + at, vectors[at : min(at + step, last)])

    def _run_few(self, queries: Queries, candidates: Candidates) -> None:
        error, most = summing_error(self._matrix.features), _PRODUCTS // len(queries)
        for first in range(0, self._matrix.rows, most):
            last = min(first + most, self._matrix.rows)
            products = np.empty((last - first, len(queries)), np.float32)
            self._share(partial(self._few, queries, products, first), len(products))
            terms = Terms.of(queries, self._matrix, first, last, error)
            self.select(products, terms, first, candidates)

    def _few(self, queries: Queries, out: Floats, offset: int, first: int, last: int) -> None:
        """Multiply the rows `first` to `last` after `offset`, and learn their lengths meanwhile."""
        read_once = len(queries) == 1 and self._matrix.is_ready
        step = max(1, (_STREAMED if read_once else _CACHED) // max(1, self._matrix.features))
        for part in self._matrix.parts(step, offset + first, offset + last):
            vectors = np.asarray(part.vectors, np.float32)
            place = slice(part.first - offset, part.first - offset + len(vectors))
            with np.errstate(all="ignore"):
                for column, query in enumerate(queries.right):
                    np.vecdot(vectors, query, out=out[place, column])
            self._matrix.learn(part.first, vectors)
