"""A report → the text of its page: charts, tables and thumbnails, set by a template."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cnnkit.outputs.charts import Dot, Stretch, line_chart, reliability, spans
from cnnkit.outputs.confusion import MOST_CLASSES, pairs, table
from cnnkit.outputs.report import (
    Bin,
    Calibration,
    Mistake,
    Neighbour,
    Picture,
    Report,
    Row,
    Strategy,
)
from cnnkit.outputs.strips import readable, shortened
from cnnkit.outputs.thumbnails import Thumbnails, Tile

if TYPE_CHECKING:
    from jinja2 import Environment

# 300 in all: those in cells, 12 mistakes with 4 neighbours each, 24 suspects, 12 pairs, two rows.
_MOST_MISTAKES, _MOST_NEIGHBOURS = 12, 4
_MOST_SUSPECTS, _MOST_STRADDLES, _MOST_IN_ROWS = 24, 12, 28
_CELLS, _CELL_PICTURES, _IN_CELL = 400, 136, 6

Examples = Mapping[tuple[int, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Panel:
    """The pictures of one cell of the matrix, which open when it is chosen."""

    truth: int
    guess: int
    count: int
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A caption and the pictures that belong to it."""

    caption: str
    tiles: tuple[Tile, ...]


class _Verbatim(str):
    """Text to be copied: readable, with its backslashes as they are."""

    __slots__ = ()


def page(report: Report, picture: Picture) -> str:
    """The whole page. The pictures that matter most are made first, as their number is bounded."""
    thumbnails = Thumbnails(picture)
    mistakes = [_mistake(each, thumbnails) for each in report.mistakes[:_MOST_MISTAKES]]
    suspects = [(each, thumbnails.of(each.path)) for each in report.suspects[:_MOST_SUSPECTS]]
    straddles = [
        (each, thumbnails.of(each.path_a), thumbnails.of(each.path_b))
        for each in report.straddles[:_MOST_STRADDLES]
    ]
    augmented = _rows(report.augmented, thumbnails)
    panels = _panels(report, thumbnails)
    environment = _environment()
    style = environment.get_template("report.css").render()
    return environment.get_template("report.html").render(
        report=report,
        style=style,
        style_hash=_hash(style),
        headline=next((each for each in report.strategies if each.kept), None),
        charts=_charts(report.strategies),
        comparison=spans([(each.val_accuracy, each.interval) for each in report.strategies]),
        reliability=_reliability(report.calibration),
        table=table(report.labels, report.confusion, panels),
        most_classes=MOST_CLASSES,
        pairs=pairs(report.confusion, panels),
        panels=list(panels.values()),
        scores=sorted(report.scores, key=lambda score: _number(score.f1)),
        mistakes=mistakes,
        suspects=suspects,
        straddles=straddles,
        augmented=augmented,
        samples=_rows(report.samples, thumbnails),
        commands=_lines(report.commands),
        configuration=_lines(report.configuration),
    )


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cnnkit.outputs"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {
        "percent": _percent,
        "duration": _duration,
        "bar": lambda share: round(100 * min(1.0, max(0.0, _number(share))), 1),
        "short": lambda text: shortened(text, 48),
    }
    return environment


def _finalized(value: object) -> object:
    """Every value goes through it, so that none can be forgotten; what is made here is done."""
    return readable(value) if type(value) is str else value


def _lines(text: str) -> list[_Verbatim]:
    lines = [line.expandtabs(4).rstrip() for line in text.strip("\n").splitlines()]
    return [_Verbatim("\\".join(map(readable, line.split("\\")))) for line in lines]


def _hash(text: str) -> str:
    """How a content security policy names a style sheet that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _percent(share: float | None, digits: int = 1) -> str:
    if share is None or not math.isfinite(share):
        return "–"
    return f"{100 * share:.{digits}f}\u00a0%"


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = (hours, "h"), (minutes, "min"), (0 if hours else rest, "s")
    return " ".join(f"{count}\u00a0{unit}" for count, unit in parts if count)


def _number(value: float) -> float:
    return value if math.isfinite(value) else -1.0


def _charts(strategies: Sequence[Strategy]) -> list[tuple[str, object]]:
    trained = [each for each in strategies if each.epochs]
    accuracy = [
        Stretch(
            each.name,
            [epoch.accuracy for epoch in each.epochs],
            [epoch.val_accuracy for epoch in each.epochs],
        )
        for each in trained
    ]
    loss = [
        Stretch(
            each.name,
            [epoch.loss for epoch in each.epochs],
            [epoch.val_loss for epoch in each.epochs],
        )
        for each in trained
    ]
    charts = [
        ("Accuracy", line_chart(accuracy, percent=True)),
        ("Loss", line_chart(loss, percent=False)),
    ]
    return [(name, chart) for name, chart in charts if chart]


def _reliability(calibration: Calibration | None) -> list[tuple[str, tuple[Dot, ...]]]:
    def dots(bins: Sequence[Bin]) -> tuple[Dot, ...]:
        return reliability([(each.confidence, each.accuracy, each.count) for each in bins])

    if not calibration:
        return []
    both = [("before", dots(calibration.before)), ("after", dots(calibration.after))]
    return [(kind, found) for kind, found in both if found]


def _mistake(mistake: Mistake, thumbnails: Thumbnails) -> tuple[Mistake, Tile, list[object]]:
    near: list[tuple[Neighbour, Tile]] = [
        (each, thumbnails.of(each.path)) for each in mistake.neighbours[:_MOST_NEIGHBOURS]
    ]
    return mistake, thumbnails.of(mistake.path), list(near)


def _panels(report: Report, thumbnails: Thumbnails) -> dict[tuple[int, int], Panel]:
    """A panel for each cell with pictures; mistakes come first, and the largest of them."""
    given = [cell for cell, paths in report.cells.items() if paths]
    count = {(i, j): n for i, row in enumerate(report.confusion) for j, n in enumerate(row)}
    given = [cell for cell in given if count.get(cell)]
    given.sort(key=lambda cell: (cell[0] == cell[1], -count[cell], cell))
    shown = given[:_CELLS]
    # The first picture of every cell before the second of any.
    turns = (
        (cell, report.cells[cell][turn])
        for turn in range(_IN_CELL)
        for cell in shown
        if turn < len(report.cells[cell])
    )
    tiles: dict[tuple[int, int], list[Tile]] = {cell: [] for cell in shown}
    for cell, path in islice(turns, _CELL_PICTURES):
        tiles[cell].append(thumbnails.of(path))
    return {cell: Panel(*cell, count[cell], tuple(tiles[cell])) for cell in shown if tiles[cell]}


def _rows(rows: Sequence[Row], thumbnails: Thumbnails) -> list[ShownRow]:
    """The rows, each as long as leaves something for the others."""
    shown = rows[:_MOST_IN_ROWS]
    each = max(1, _MOST_IN_ROWS // max(1, len(shown)))
    return [ShownRow(row.caption, tuple(_in_row(row, each, thumbnails))) for row in shown]


def _in_row(row: Row, most: int, thumbnails: Thumbnails) -> list[Tile]:
    if isinstance(row.pictures, tuple):
        return [thumbnails.of(path) for path in row.pictures[:most]]
    return [
        thumbnails.drawn(pixels, f"{row.caption}, {i}")
        for i, pixels in enumerate(row.pictures[:most], 1)
    ]
