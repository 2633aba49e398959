"""Exact search is exact, whatever the numbers, the blocks and the product."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnnkit.errors import UsageError
from cnnkit.search import exact
from cnnkit.search.exact import all_pairs, nearest
from cnnkit.search.product import summing_error
from cnnkit.search.vectors import Floats, Matrix
from tests.search.oracle import all_values, check, clustered, cut, same

METRICS = ("l2", "cosine")
KINDS = ("plain", "integers", "offset", "duplicates", "zeros", "broken", "lengths", "tiny", "huge")


def hard(kind: str, rows: int, features: int, seed: int) -> NDArray[np.float32]:
    """Vectors of which each kind breaks another shortcut."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, features)).astype(np.float32)
    if kind == "integers":  # many ties
        return rng.integers(-2, 3, (rows, features)).astype(np.float32)
    if kind == "offset":  # ‖x‖² − 2x·q + ‖q‖² has no digit left
        return (x * np.float32(1e-2) + np.float32(1e4)).astype(np.float32)
    if kind == "duplicates" and rows:
        return x[rng.integers(0, max(1, rows // 5), rows)]
    if kind == "lengths":
        return (x * 10.0 ** rng.integers(-6, 7, (rows, 1))).astype(np.float32)
    if kind == "tiny":  # squares are zero in float32
        x[rng.random(rows) < 0.5] *= np.float32(1e-30)
    if kind == "huge":  # squares are infinite in float32
        x[rng.random(rows) < 0.5] *= np.float32(1e30)
    if kind == "zeros":
        x[rng.random(rows) < 0.4] = 0
    if kind == "broken" and features:
        some = rng.random(rows) < 0.3
        x[some, 0] = rng.choice([np.nan, np.inf, -np.inf], int(some.sum()))
    return x


class Adversary:
    """A product that errs as much as it says that it may, in the worst of ways or at random."""

    def __init__(self, error: float, seed: int | None) -> None:
        self._error, self._rng = error, None if seed is None else np.random.default_rng(seed)

    def __call__(self, left: Floats, right: Floats) -> tuple[Floats, float]:
        l64, r64 = left.astype(np.float64), right.astype(np.float64)
        with np.errstate(all="ignore"):
            most = np.linalg.norm(l64, axis=1)[:, None] * np.linalg.norm(r64, axis=1)
            # Nearer rows are pushed away, farther ones are drawn in.
            products = l64 @ r64.T
            sign = np.where(products > np.nanmedian(products), -1.0, 1.0)
            if self._rng is not None:
                sign = self._rng.uniform(-1, 1, products.shape)
            wrong = (products + self._error * most * sign).astype(np.float32)
        return wrong, self._error + summing_error(1)


@settings(deadline=None, max_examples=300)
@given(
    kind=st.sampled_from(KINDS),
    metric=st.sampled_from(METRICS),
    shape=st.tuples(st.integers(0, 90), st.integers(1, 40), st.integers(0, 30)),
    count=st.one_of(st.none(), st.integers(0, 12), st.just(1000)),
    share=st.one_of(st.none(), st.floats(0, 1)),
    half=st.booleans(),
    norms=st.booleans(),
    places=st.lists(st.integers(0, 1000), max_size=5),
    wrong=st.one_of(st.none(), st.floats(0, 0.3)),
    seed=st.integers(0, 2**16),
)
def test_brute_force_finds_the_same(
    kind: str, metric: Any, shape: tuple[int, int, int], count: int | None, share: float | None,
    half: bool, norms: bool, places: list[int], wrong: float | None, seed: int,
) -> None:  # fmt: skip
    rows, features, asked = shape
    rng = np.random.default_rng(seed)
    vectors = hard(kind, rows, features, seed)
    queries = hard(kind, asked, features, seed + 1)
    copied = rng.random(asked) < 0.5
    if rows:
        queries[copied] = vectors[rng.integers(0, rows, int(copied.sum()))]
    with np.errstate(all="ignore"):
        stored: NDArray[Any] = vectors.astype(np.float16) if half else vectors
    threshold = None
    if share is not None or count is None:
        values = all_values(stored, queries[0], metric) if asked and rows else np.ones(1)
        values = values[np.isfinite(values)]
        threshold = float(np.quantile(values, share or 0.5)) if len(values) else 1.0
    left = [
        int(row) if rng.random() < 0.5 else None for row in rng.integers(0, max(rows, 1), asked)
    ]
    left = left if rows else [None] * asked
    product = None if wrong is None else Adversary(wrong, seed if seed % 2 else None)
    answers = list(
        nearest(
            cut(stored, *places, norms=norms), queries, metric=metric, count=count,
            threshold=threshold, leave_out=left, threads=1 + seed % 2, product=product,
        )
    )  # fmt: skip
    assert len(answers) == asked
    for found, query, row in zip(answers, queries, left, strict=True):
        check(found, stored, query, metric, count=count, threshold=threshold, leave_out=row)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_many_rows_and_queries(kind: str, metric: Any) -> None:
    vectors, queries = hard(kind, 3000, 64, 1), hard(kind, 70, 64, 2)
    for count in (1, 7):
        answers = nearest(cut(vectors, 1000, 1017), queries, metric=metric, count=count, threads=2)
        for found, query in zip(answers, queries, strict=True):
            check(found, vectors, query, metric, count=count)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("error", [0.0, 0.004, 0.05, 0.6, float("inf")])
@pytest.mark.parametrize("seed", [None, 0])
def test_the_worst_product_changes_nothing(metric: Any, error: float, seed: int | None) -> None:
    vectors = clustered(4000, 48, 40)
    vectors[::7] = vectors[1::7][: len(vectors[::7])]
    queries = np.concatenate([vectors[:40], clustered(30, 48, 40, seed=5)])
    matrix = cut(vectors, 100, 2500)
    for limits in ({"count": 5}, {"count": 300}, {"count": None}, {"count": 20}):
        threshold = 4.0 if metric == "l2" else 0.6
        given: Any = limits | ({} if limits == {"count": 5} else {"threshold": threshold})
        true = list(nearest(matrix, queries, metric=metric, **given))
        worst = nearest(matrix, queries, metric=metric, product=Adversary(error, seed), **given)
        same(list(worst), true)


def test_the_worst_product_would_be_noticed() -> None:
    class Liar(Adversary):
        def __call__(self, left: Floats, right: Floats) -> tuple[Floats, float]:
            return super().__call__(left, right)[0], 1e-6

    vectors = clustered(4000, 48, 40)
    true = list(nearest(Matrix.of(vectors), vectors[:40], metric="l2", count=5))
    lied = nearest(Matrix.of(vectors), vectors[:40], metric="l2", count=5, product=Liar(0.3, 0))
    assert any((a.rows != b.rows).any() for a, b in zip(true, lied, strict=True))


@pytest.mark.parametrize("metric", METRICS)
def test_copies_are_nearest_to_the_last_bit(metric: Any) -> None:
    vectors = hard("plain", 500, 33, 3)
    vectors[[7, 70, 300]] = vectors[11] = vectors[400]
    for scale in (1e-38, 1e-20, 1.0, 1e4, 1e20, 1e37):
        scaled = (vectors * np.float32(scale)).astype(np.float32)
        (found,) = nearest(Matrix.of(scaled), scaled[400:401], metric=metric, count=5)
        assert found.rows.tolist() == [7, 11, 70, 300, 400]
        assert set(found.values.tolist()) == {0.0 if metric == "l2" else 1.0}


@pytest.mark.parametrize("metric", METRICS)
def test_answers_depend_neither_on_blocks_nor_batches_nor_threads(metric: Any) -> None:
    vectors, queries = clustered(2500, 40, 30), clustered(90, 40, 30, seed=9)
    whole = list(nearest(Matrix.of(vectors), queries, metric=metric, count=6))
    cuts = cut(vectors, *range(3, 2500, 37), norms=True)
    same(list(nearest(cuts, queries, metric=metric, count=6, threads=3)), whole)
    single = [next(nearest(cuts, q[None], metric=metric, count=6)) for q in queries[:20]]
    same(single, whole[:20])


@pytest.mark.parametrize("metric", METRICS)
def test_a_zero_vector_is_like_nothing(metric: Any) -> None:
    vectors = np.array([[0, 0], [3, 4], [-3, -4]], np.float32)
    answers = list(nearest(Matrix.of(vectors), vectors[:2], metric=metric, count=3))
    expected = [[0, 5, 5], [0, 5, 10]] if metric == "l2" else [[0, 0, 0], [1, 0, -1]]
    assert [found.values.tolist() for found in answers] == expected
    assert [found.rows.tolist() for found in answers] == [[0, 1, 2], [1, 0, 2]]


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_but_broken_rows(metric: Any) -> None:
    vectors = np.full((50, 8), np.nan, np.float32)
    vectors[::2] = np.inf
    queries = np.ones((6, 8), np.float32)
    queries[3, 2] = np.nan
    for count, threshold in ((3, None), (None, 1e9), (None, -1e9), (3, -1.0)):
        for found in nearest(cut(vectors, 9), queries, metric=metric, count=count,
                             threshold=threshold):  # fmt: skip
            assert not len(found.rows) and not len(found.values)


def test_norms_of_a_damaged_store_hide_no_broken_row() -> None:
    vectors = hard("plain", 300, 16, 1)
    norms = np.linalg.norm(vectors, axis=1).astype(np.float32)
    vectors[5], vectors[6, 3] = np.nan, np.inf
    for queries in (vectors[10:12], vectors[10:40]):
        for found, query in zip(
            nearest(Matrix.of(vectors, norms), queries, metric="l2", count=4), queries, strict=True
        ):
            check(found, vectors, query, "l2", count=4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("count, share", [(4, None), (None, 0.01), (3, 0.02)])
@pytest.mark.parametrize("kind", ["plain", "duplicates", "broken", "zeros", "huge"])
def test_all_pairs_are_every_row_as_a_query(
    metric: Any, include_self: bool, count: int | None, share: float | None, kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    vectors = hard(kind, 300, 24, 4)
    finite = vectors[np.isfinite(vectors).all(axis=1)]
    values = all_values(finite, finite[1], metric)
    threshold = None
    if share is not None:
        threshold = float(np.nanquantile(values, share if metric == "l2" else 1 - share))
    leave_out = None if include_self else list(range(300))
    limits: Any = {"metric": metric, "count": count, "threshold": threshold}
    alone = list(nearest(Matrix.of(vectors), vectors, leave_out=leave_out, **limits))
    for size in (1024, 100, 33):
        monkeypatch.setattr(exact, "_QUERIES", size)
        matrix = cut(vectors, 64, 65, 200)
        same(list(all_pairs(matrix, include_self=include_self, threads=2, **limits)), alone)


@pytest.mark.parametrize("most", [2, 50, 3000])
def test_more_pairs_than_fit_are_found_with_fewer_queries(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = hard("plain", 400, 8, 2)
    limits: Any = {"metric": "l2", "count": None, "threshold": 100.0}
    expected = list(all_pairs(Matrix.of(vectors), **limits))
    assert {len(found.rows) for found in expected} == {399}
    monkeypatch.setattr(exact, "_PAIRS", most)
    same(list(all_pairs(Matrix.of(vectors), **limits)), expected)


@pytest.mark.parametrize("count, threshold", [(5, None), (None, 1e9), (5000, None)])
def test_all_pairs_never_hold_them_all(count: int | None, threshold: float | None) -> None:
    vectors = clustered(20_000, 8, 50)
    answers = all_pairs(Matrix.of(vectors), metric="l2", count=count, threshold=threshold)
    tracemalloc.start()
    for _ in range(300 if count != 5 else 20_000):
        next(answers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300e6 < 20_000**2


def test_no_rows_and_no_queries() -> None:
    empty = Matrix([], features=4)
    none = np.empty((0, 4), np.float32)
    (found,) = nearest(empty, np.ones((1, 4), np.float32), metric="l2", count=3)
    assert found.rows.tolist() == [] and found.values.tolist() == []
    assert list(nearest(empty, none, metric="cosine", count=3)) == []
    assert list(nearest(Matrix.of(np.ones((3, 4), np.float32)), none, metric="l2", count=3)) == []
    assert list(all_pairs(empty, metric="l2", count=3)) == []


@pytest.mark.parametrize(
    "change, said",
    [
        ({"count": None}, "neither"),
        ({"count": -1}, "at least 0"),
        ({"metric": "l1"}, "'l1'"),
        ({"threshold": float("nan")}, "nan"),
        ({"queries": np.ones((2, 3), np.float32)}, "4 features"),
        ({"queries": np.ones(4, np.float32)}, "shape"),
        ({"leave_out": [1]}, "for each of 2 queries"),
    ],
)
def test_what_makes_no_sense_is_said_at_once(change: Any, said: str) -> None:
    given = {"queries": np.ones((2, 4), np.float32), "metric": "l2", "count": 1} | change
    with pytest.raises(UsageError, match=said):
        nearest(Matrix.of(np.ones((3, 4), np.float32)), given.pop("queries"), **given)
