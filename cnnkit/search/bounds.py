"""What cannot be among the nearest, proved from a product that is only nearly right.

Letters: x a row, q a query, D their features, u = 2⁻²⁴, P ≈ x·q with |P − x·q| ≤ ε‖x‖‖q‖ as the
product promises, ν the length of x as float32 has it, with |ν − ‖x‖| ≤ ρ‖x‖, ρ = (D/2 + 4)u.

The *score* of a pair is the smaller, the nearer: for l2 it is s = ‖x‖²/2 − x·q, so that
‖x − q‖² = 2s + ‖q‖²; for cosine it is s = −x·q / (‖x‖‖q‖). What is computed instead is off by no
more than α_i + β_j, the one a matter of the row, the other of the query:

- l2: by ε‖x‖‖q‖ for the product, ρ‖x‖² for ν² / 2, and a few u of both for the rest. With any
  κ > 0, ‖x‖‖q‖ ≤ (κ‖x‖² + ‖q‖²/κ) / 2, which splits it; κ = max‖q‖ / max‖x‖ fits the largest.
- cosine: q is made a unit vector first, which costs u; then it is ε + ρ and a few u, all in β.

α is taken off the row's own term, so that one comparison with a number per query finds all pairs
that might be near enough.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnkit.records import Metric
from cnnkit.search.measures import Values
from cnnkit.search.product import ROUNDING
from cnnkit.search.vectors import Floats, Matrix, Rows

# Lengths whose squares and products neither overflow nor underflow in float32.
_LEAST, _MOST = 1e-15, 1e15
# More than float64's rounding of anything here.
_SLACK = 1e-11
# In place of a row: none.
NONE = -1
# Numbers that are looked at at a time.
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Queries:
    """Q queries made ready: `right` (Q, D) is what rows are multiplied by.

    `given` are they as they came, `lengths` their own, `left_out` the row that each must not name
    (−1: none), and `odd` those whose length float32 cannot square.
    """

    metric: Metric
    given: Floats
    right: Floats
    lengths: Values
    left_out: Rows
    odd: Rows

    @classmethod
    def of(cls, metric: Metric, given: Floats, left_out: Rows) -> "Queries":
        """Get finite queries ready."""
        wide = given.astype(np.float64)
        lengths = np.sqrt(np.vecdot(wide, wide))
        right = given
        if metric == "cosine":
            right = (wide / np.where(lengths > 0, lengths, 1)[:, None]).astype(np.float32)
        is_odd = (lengths != 0) & ~((lengths >= _LEAST) & (lengths <= _MOST))
        return cls(metric, given, right, lengths, left_out, np.flatnonzero(is_odd))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.given)

    def scores(self, values: Values, query: int) -> tuple[Values, Values]:
        """Exact values of one query → the least and the largest that their scores can be."""
        if self.metric == "cosine":
            return -values - _SLACK, -values + _SLACK
        squares, own = values**2, self.lengths[query] ** 2
        middle, slack = (squares - own) / 2, _SLACK * (squares + own)
        return middle - slack, middle + slack

    def bounds(self, threshold: float | None) -> Values:
        """The largest score that each query's threshold lets through: float64 (Q,)."""
        if threshold is None:
            return np.full(len(self), np.inf)
        if self.metric == "cosine":
            return np.full(len(self), -threshold + _SLACK)
        if threshold < 0:
            return np.full(len(self), -np.inf)
        own, reach = self.lengths**2, float(threshold) ** 2
        return (reach - own) / 2 + _SLACK * (reach + own)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a part's products need to become scores, for n rows and Q queries.

    `rows` float32 (n,) is subtracted from or multiplied by; `gaps` float64 (n,) is 2α, `slack`
    float64 (Q,) is β. `always` rows are candidates for everybody, `odd` queries take everything:
    float32 says nothing about them.
    """

    metric: Metric
    rows: Floats
    gaps: Values
    slack: Values
    always: Rows
    odd: Rows

    @classmethod
    def of(cls, queries: Queries, matrix: Matrix, first: int, last: int, error: float) -> "Terms":
        """The terms of the rows `first` to `last`; `error` is ε of the product."""
        lengths = matrix.norms(first, last).astype(np.float64)
        always, never = _strange(matrix, first, lengths)
        if not np.isfinite(error):
            error, always = 0.0, np.setdiff1d(np.arange(len(lengths)), never)
        off = (queries.given.shape[1] / 2 + 4) * ROUNDING
        if queries.metric == "cosine":
            rows = -np.divide(1, lengths, out=np.zeros(len(lengths)), where=lengths > 0)
            each = 1.01 * (error + 2 * off + 16 * ROUNDING)
            gaps, slack = np.zeros(len(lengths)), np.full(len(queries), each)
        else:
            rows, gaps, slack = _l2_terms(lengths, queries.lengths, error, off)
        rows[never] = np.nan
        return cls(queries.metric, rows.astype(np.float32), gaps, slack, always, queries.odd)

    def score(self, products: Floats, first: int = 0) -> None:
        """Turn products (m, Q) of the rows `first`… into the least scores that they allow."""
        last = first + len(products)
        rows = self.rows[first:last, None]
        with np.errstate(all="ignore"):
            if self.metric == "cosine":
                np.multiply(products, rows, out=products)
            else:
                np.subtract(rows, products, out=products)
        products[:, self.odd] = -np.inf
        products[self.always[(self.always >= first) & (self.always < last)] - first] = -np.inf


def _strange(matrix: Matrix, first: int, lengths: Values) -> tuple[Rows, Rows]:
    """Of the rows that float32 cannot square: those to look at, and those that are no vectors.

    Their lengths become 0; that is what they are for the rest of them.
    """
    strange = np.flatnonzero(~((lengths >= _LEAST) & (lengths <= _MOST)))
    finite, zero = np.empty(len(strange), bool), np.empty(len(strange), bool)
    step = max(1, _AT_ONCE // max(1, matrix.features))
    for at in range(0, len(strange), step):
        some = slice(at, at + step)
        vectors = matrix.gather(strange[some] + first)
        finite[some], zero[some] = np.isfinite(vectors).all(axis=1), ~vectors.any(axis=1)
    lengths[strange] = 0
    always, never = strange[finite & ~zero], strange[~finite]
    if matrix.hidden is not None:
        hidden = matrix.hidden[first : first + len(lengths)]
        always, never = always[~hidden[always]], np.union1d(never, np.flatnonzero(hidden))
        lengths[never] = 0
    return always, never


def _l2_terms(
    lengths: Values, queries: Values, error: float, off: float
) -> tuple[NDArray[np.float64], Values, Values]:
    error = 1.01 * (error + 16 * ROUNDING) * (1 + 2 * off)
    largest, theirs = lengths.max(initial=0), queries[queries <= _MOST].max(initial=0)
    balance = theirs / largest if largest > 0 and theirs > 0 else 1.0
    halves = lengths**2 / 2
    alpha = halves * (error * balance + 1.01 * (2 * off + off**2 + 16 * ROUNDING))
    return halves - alpha, 2 * alpha, error * queries**2 / (2 * balance)
