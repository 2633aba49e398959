"""A confusion matrix: tinted by shares, and what is mixed up most first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.outputs.confusion import MOST_CLASSES, MOST_PAIRS, pairs, table

COUNTS = st.integers(1, 6).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 50), min_size=n, max_size=n), min_size=n, max_size=n)
)


def test_a_cell_knows_its_place_its_tint_and_its_link() -> None:
    first, second = table(("a", "b"), ((3, 1), (2, 2)), {(0, 1): 1})
    assert [first.name, first.total, second.total] == ["a", 4, 4]
    assert [cell.count for cell in first.cells + second.cells] == [3, 1, 2, 2]
    assert [cell.tint for cell in first.cells + second.cells] == ["hit6", "miss4", "miss8", "hit4"]
    assert [cell.link for cell in first.cells + second.cells] == [False, True, False, False]


@pytest.mark.parametrize("counts", [(), ((0,),), ((0, 0), (0, 0))])
def test_no_pictures(counts: tuple[tuple[int, ...], ...]) -> None:
    rows = table(("a", "b")[: len(counts)], counts, {})
    assert len(rows) == len(counts)
    assert {cell.tint for row in rows for cell in row.cells} <= {""}
    assert pairs(counts, {}) == ()


def test_pairs_by_count_then_by_share() -> None:
    found = pairs(((90, 2, 0), (0, 8, 2), (5, 0, 5)), {(2, 0): 1})
    assert [(p.truth, p.guess, p.count) for p in found] == [(2, 0, 5), (1, 2, 2), (0, 1, 2)]
    assert [p.share for p in found] == pytest.approx([0.5, 0.2, 2 / 92])
    assert [p.link for p in found] == [True, False, False]


def test_of_too_many_classes_those_that_are_mixed_up() -> None:
    count = MOST_CLASSES + 30
    counts = [[5 if i == j else 0 for j in range(count)] for i in range(count)]
    for i in range(MOST_CLASSES // 2):
        counts[i][count - 1 - i] = 1
    rows = table([str(i) for i in range(count)], counts, {})
    half = MOST_CLASSES // 2
    assert [row.name for row in rows] == [str(i) for i in range(count)][:half] + [
        str(i) for i in range(count - half, count)
    ]
    assert all(len(row.cells) == MOST_CLASSES for row in rows)
    assert len(pairs(counts, {})) == MOST_PAIRS


def test_a_long_label_is_shortened() -> None:
    (row,) = table(("x" * 99,), ((1,),), {})
    assert row.name == "x" * 99
    assert len(row.label) == 28


@given(COUNTS)
def test_what_is_there_has_a_tint_of_eight(counts: list[list[int]]) -> None:
    for row in table([str(i) for i in range(len(counts))], counts, {}):
        for cell in row.cells:
            kind = "hit" if cell.truth == cell.guess else "miss"
            allowed = {f"{kind}{level}" for level in range(1, 9)} if cell.count else {""}
            assert cell.tint in allowed
