"""Groups: every redundant row is near the one that is kept, and nothing near is left over."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.errors import UsageError
from cnnkit.search import duplicates
from cnnkit.search.duplicates import Group, groups
from cnnkit.search.vectors import Matrix
from tests.search.oracle import all_values, clustered, cut


def in_turn(vectors: Any, threshold: float, metric: str, order: list[int]) -> list[Group]:
    """The definition, row by row."""
    sign = 1 if metric == "l2" else -1
    kept: dict[int, list[tuple[int, float]]] = {}
    for row in order:
        values = all_values(vectors, vectors[row], metric)
        near = [(sign * values[k], k) for k in kept if sign * values[k] <= sign * threshold]
        if near:
            value, best = min(near)
            kept[best].append((row, sign * value))
        else:
            kept[row] = []
    return [Group(row, tuple(redundant)) for row, redundant in kept.items() if redundant]


@settings(deadline=None, max_examples=150)
@given(
    rows=st.integers(0, 60),
    metric=st.sampled_from(["l2", "cosine"]),
    share=st.floats(0, 1),
    lot=st.sampled_from([1, 4, 1024]),
    broken=st.booleans(),
    turned=st.booleans(),
    seed=st.integers(0, 999),
)
def test_groups_are_those_of_the_definition(
    rows: int, metric: Any, share: float, lot: int, broken: bool, turned: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Small integers: float64 computes every value exactly, so that ties are ties.
    vectors = rng.integers(-2, 3, (rows, 3)).astype(np.float32)
    if broken:
        vectors[rng.random(rows) < 0.2, 1] = np.nan
    order = rng.permutation(rows).tolist()
    threshold = share * 3 if metric == "l2" else share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "_AT_ONCE", lot)
        found = groups(
            cut(vectors, 7, 30), threshold=threshold, metric=metric,
            order=order if turned else None, threads=1 + seed % 2,
        )  # fmt: skip
    expected = in_turn(vectors, threshold, metric, order if turned else list(range(rows)))
    assert [g.kept for g in found] == [g.kept for g in expected]
    for one, two in zip(found, expected, strict=True):
        assert [row for row, _ in one.redundant] == [row for row, _ in two.redundant]
        np.testing.assert_allclose(
            [v for _, v in one.redundant], [v for _, v in two.redundant], atol=1e-12
        )


@pytest.mark.parametrize("metric, threshold", [("cosine", 1.0), ("l2", 0.0)])
def test_copies_always_group(metric: Any, threshold: float) -> None:
    vectors = clustered(900, 37, 900)
    vectors[800:] = vectors[:100]
    found = groups(Matrix.of(vectors), threshold=threshold, metric=metric)
    value = 1.0 if metric == "cosine" else 0.0
    assert found == [Group(row, ((row + 800, value),)) for row in range(100)]


def test_no_chains() -> None:
    line = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    found = groups(Matrix.of(line), threshold=1.0, metric="l2")
    assert found == [Group(0, ((1, 1.0),)), Group(2, ((3, 1.0),))]
    best = groups(Matrix.of(line), threshold=1.0, metric="l2", order=[1, 2, 3, 0])
    assert best == [Group(1, ((2, 1.0), (0, 1.0)))]


def test_a_thousand_equal_rows_are_one_group() -> None:
    (group,) = groups(Matrix.of(np.ones((3000, 16), np.float32)), threshold=0.9)
    assert group.kept == 0 and len(group.redundant) == 2999


def test_no_rows() -> None:
    assert groups(Matrix([], features=3), threshold=0.5) == []


@pytest.mark.parametrize("order", [[0, 0], [0, 5], [-1]])
def test_an_order_names_each_row_once(order: list[int]) -> None:
    with pytest.raises(UsageError, match="0 to 4"):
        groups(Matrix.of(np.ones((5, 2), np.float32)), threshold=0.5, order=order)
