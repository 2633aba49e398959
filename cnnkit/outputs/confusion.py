"""A confusion matrix → a table of tinted cells, and the pairs of classes that are mixed up most."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnkit.outputs.strips import shortened

# Beyond so many classes the table has those alone that are mixed up most.
MOST_CLASSES = 120
MOST_PAIRS = 12
_LEVELS = 8
_LONGEST_LABEL = 28

Counts = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Cell:
    """How many pictures of the row's class were named as the column's.

    `tint` is "", "hit1" to "hit8" on the diagonal, or "miss1" to "miss8" off it. `link` tells
    whether the pictures of the cell are on the page.
    """

    truth: int
    guess: int
    count: int
    tint: str
    link: bool


@dataclass(frozen=True, slots=True)
class TableRow:
    """One true class; `label` is short enough for a table, `name` is whole."""

    name: str
    label: str
    total: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Pictures of one class that were named as another; `share` of all of that class."""

    truth: int
    guess: int
    count: int
    share: float
    link: bool


def table(
    labels: Sequence[str], counts: Counts, linked: Mapping[tuple[int, int], object]
) -> tuple[TableRow, ...]:
    """The rows, of at most `MOST_CLASSES` classes; `linked` has the cells whose pictures exist."""
    shown = _shown_classes(counts)
    worst = max((_share(counts, i, j) for i in shown for j in shown if i != j), default=0.0)
    return tuple(
        TableRow(
            labels[i],
            shortened(labels[i], _LONGEST_LABEL),
            sum(counts[i]),
            tuple(
                Cell(i, j, counts[i][j], _tint(counts, i, j, worst), (i, j) in linked)
                for j in shown
            ),
        )
        for i in shown
    )


def pairs(counts: Counts, linked: Mapping[tuple[int, int], object]) -> tuple[Pair, ...]:
    """The pairs that are mixed up most, by count and then by share; at most `MOST_PAIRS`."""
    found = [
        Pair(i, j, count, _share(counts, i, j), (i, j) in linked)
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if count and i != j
    ]
    found.sort(key=lambda pair: (-pair.count, -pair.share, pair.truth, pair.guess))
    return tuple(found[:MOST_PAIRS])


def _shown_classes(counts: Counts) -> list[int]:
    """All classes, or of too many those that take part in most mistakes, in their own order."""
    columns = [sum(column) for column in zip(*counts, strict=True)]
    wrong = [sum(row) + columns[i] - 2 * row[i] for i, row in enumerate(counts)]
    ranked = sorted(range(len(counts)), key=lambda i: (-wrong[i], i))
    return sorted(ranked[:MOST_CLASSES])


def _share(counts: Counts, truth: int, guess: int) -> float:
    total = sum(counts[truth])
    return counts[truth][guess] / total if total else 0.0


def _tint(counts: Counts, truth: int, guess: int, worst: float) -> str:
    """Mistakes are tinted against the worst of them: they would all be pale otherwise."""
    share = _share(counts, truth, guess)
    if not share:
        return ""
    kind, whole = ("hit", 1.0) if truth == guess else ("miss", worst)
    return f"{kind}{max(1, math.ceil(_LEVELS * share / whole))}"
