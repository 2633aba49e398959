"""Numbers → where the strokes of a chart lie; a template draws them as SVG.

x runs to the right and y downwards, in units of the drawing, whose origin is its top left corner.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cnnkit.outputs.strips import shortened

WIDTH, HEIGHT = 480, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 470, 26, 240
# The drawing of an interval: from its left end to its right, in units of its own.
SPAN = (6, 194)
# The square of a reliability diagram: left, right, top, bottom.
SQUARE = (44, 274, 12, 242)
_CHARACTER = 7.2  # the width of one in a label, a little more than it is
_LARGEST = 1e30  # beyond it a value has nothing to tell, and a difference may overflow
_FEW = 40  # up to so many values each has a dot

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Values of one strategy, one for each epoch; what is None or not finite is a gap."""

    name: str
    training: Sequence[float | None]
    validation: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One stroke: its kind, "training" or "validation", the `d` of its path, and its dots."""

    kind: str
    path: str
    dots: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a stretch begins: its x, its name, and as much of it as there is room for."""

    x: float
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All strokes of a chart; ticks are (place, text)."""

    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A value as a dot at `x`, and its interval as a stroke from `left` to `right`."""

    x: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Dot:
    """Answers of one confidence, (x, y), with their radius; `even` is the y of a calibrated one."""

    x: float
    y: float
    even: float
    radius: float
    text: str


def line_chart(stretches: Sequence[Stretch], *, percent: bool) -> Chart | None:
    """The stretches one after another; None where no value can be drawn.

    With `percent` the values are shares of 0..1, and the axis ends at 1; otherwise it begins at 0
    unless a value lies below.
    """
    given = [v for s in stretches for v in (*s.training, *s.validation) if _drawable(v)]
    values = [float(v) for v in given if v is not None]
    if not values:
        return None
    low, high = (min(values), 1.0) if percent else (min(0.0, *values), max(values))
    steps = nice_steps(low, high)
    total = sum(_length(stretch) for stretch in stretches)
    lines: list[Line] = []
    marks: list[Mark] = []
    start = 0
    for stretch in stretches:
        length = _length(stretch)
        for kind, line in (("training", stretch.training), ("validation", stretch.validation)):
            lines += _line(kind, line, start, total, (steps[0], steps[-1]))
        marks.append(_mark(stretch.name, start, length, total))
        start += length
    return Chart(
        tuple(lines),
        tuple(marks),
        tuple((_across(i - 1, total), str(i)) for i in _counts(total)),
        tuple((_down(v, steps[0], steps[-1]), _said(v, percent=percent)) for v in steps),
    )


def nice_steps(low: float, high: float, about: int = 4) -> list[float]:
    """About so many round numbers, evenly spaced, the first at most `low`, the last `high`.

    Steps are 1, 2 or 5 times a power of ten (Heckbert, "Nice numbers for graph labels", 1990).
    """
    span = max(high - low, 1e-6 * max(abs(low), abs(high)), 1e-6)
    power: float = 10.0 ** math.floor(math.log10(span / about))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * about >= 0.99 * span)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def spans(
    values: Sequence[tuple[float | None, tuple[float, float] | None]],
) -> tuple[tuple[float, float], tuple[Span | None, ...]] | None:
    """Values of 0..1 with their intervals, all on one scale (low, high), which comes first.

    What has no value is None; and all of it where nothing has one.
    """
    ends = [end for value, interval in values for end in (value, *(interval or ()))]
    known: list[float] = [end for end in ends if end is not None and math.isfinite(end)]
    if not known:
        return None
    low = max(0.0, math.floor(min(known) * 10 + 1e-9) / 10)
    high = min(1.0, max(math.ceil(max(known) * 10 - 1e-9) / 10, low + 0.1))
    low = min(low, high - 0.1)

    def place(value: float) -> float:
        return round(SPAN[0] + (value - low) / (high - low) * (SPAN[1] - SPAN[0]), 1)

    def span(value: float | None, interval: tuple[float, float] | None) -> Span | None:
        if value is None or not math.isfinite(value):
            return None
        left, right = interval if interval and all(map(math.isfinite, interval)) else (value, value)
        return Span(place(value), place(left), place(right))

    return (low, high), tuple(span(*value) for value in values)


def reliability(bins: Sequence[tuple[float, float, int]]) -> tuple[Dot, ...]:
    """Bins of (confidence, accuracy, count) as dots whose area tells the count; empty ones none."""
    full = [b for b in bins if b[2] > 0 and math.isfinite(b[0]) and math.isfinite(b[1])]
    most = max((count for _, _, count in full), default=1)
    left, right, top, bottom = SQUARE
    return tuple(
        Dot(
            round(left + confidence * (right - left), 1),
            round(bottom - accuracy * (bottom - top), 1),
            round(bottom - confidence * (bottom - top), 1),
            round(2.5 + 6.5 * math.sqrt(count / most), 1),
            f"{count} answers: confidence {confidence:.2f}, accuracy {accuracy:.2f}",
        )
        for confidence, accuracy, count in full
    )


def _drawable(value: float | None) -> bool:
    return value is not None and abs(value) <= _LARGEST  # NaN is not


def _length(stretch: Stretch) -> int:
    return max(len(stretch.training), len(stretch.validation))


def _across(index: float, total: int) -> float:
    """The x of a value; a single one lies in the middle."""
    share = index / (total - 1) if total > 1 else 0.5
    return round(LEFT + 8 + share * (RIGHT - LEFT - 16), 1)


def _down(value: float, low: float, high: float) -> float:
    return round(BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP), 1)


def _line(
    kind: str,
    values: Sequence[float | None],
    start: int,
    total: int,
    ends: tuple[float, float],
) -> Iterable[Line]:
    points: list[Point | None] = [
        (_across(start + i, total), _down(v, *ends)) if v is not None and _drawable(v) else None
        for i, v in enumerate(values)
    ]
    parts, pen = [], "M"
    for point in points:
        if point:
            parts.append(f"{pen}{point[0]:g} {point[1]:g}")
        pen = "L" if point else "M"
    if parts:
        yield Line(kind, "".join(parts), _dots(points) if total <= _FEW else _alone(points))


def _dots(points: Sequence[Point | None]) -> tuple[Point, ...]:
    return tuple(point for point in points if point)


def _alone(points: Sequence[Point | None]) -> tuple[Point, ...]:
    """Those without a neighbour: no stroke would show them."""
    padded = [None, *points, None]
    return tuple(
        point
        for before, point, after in zip(padded, points, padded[2:], strict=False)
        if point and not before and not after
    )


def _mark(name: str, start: int, length: int, total: int) -> Mark:
    middle = start - 0.5 if start else 0
    x = LEFT if start == 0 else _across(middle, total)
    end = RIGHT if start + length >= total else _across(start + length - 0.5, total)
    room = int((end - x - 6) / _CHARACTER)
    return Mark(x, name, shortened(name, room) if room > 2 else "")


def _counts(total: int) -> list[int]:
    """A few of the numbers 1 to `total`, and both ends."""
    step = round(nice_steps(0, max(total, 6), about=6)[1])
    inner = [i for i in range(step, total, step) if i > 1 and total - i >= step / 2]
    return sorted({1, *inner, total})


def _said(value: float, *, percent: bool) -> str:
    return f"{100 * value:.6g} %" if percent else f"{value:.4g}"
