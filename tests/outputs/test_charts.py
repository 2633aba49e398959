"""Charts: round numbers on the axes, every stroke within the frame, gaps where nothing is known."""

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.outputs.charts import (
    BOTTOM,
    LEFT,
    RIGHT,
    SPAN,
    SQUARE,
    TOP,
    Stretch,
    line_chart,
    nice_steps,
    reliability,
    spans,
)

NAN, INFINITE = float("nan"), float("inf")
VALUES = st.lists(st.none() | st.floats(), max_size=60)
SHARE = st.floats(0, 1)


class TestNiceSteps:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0, 1, [0, 0.5, 1]),
            (0.31, 1, [0.2, 0.4, 0.6, 0.8, 1]),
            (0.9, 1, [0.9, 0.95, 1]),
            (0, 2, [0, 0.5, 1, 1.5, 2]),
            (0, 1.62, [0, 0.5, 1, 1.5, 2]),
            (0, 730, [0, 200, 400, 600, 800]),
            (-3, 5, [-4, -2, 0, 2, 4, 6]),
        ],
    )
    def test_they_are_round(self, low: float, high: float, expected: list[float]) -> None:
        assert nice_steps(low, high) == pytest.approx(expected)

    @given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
    def test_they_hold_the_ends_and_are_few(self, one: float, other: float) -> None:
        low, high = sorted((one, other))
        steps = nice_steps(low, high)
        room = 1e-5 * (steps[1] - steps[0])
        assert steps[0] <= low + room
        assert steps[-1] >= high - room
        assert 2 <= len(steps) <= 8
        assert all(a < b for a, b in pairwise(steps))


class TestLineChart:
    def test_the_ends_lie_where_the_axes_say(self) -> None:
        chart = line_chart([Stretch("s", [0, 1], [1, 0])], percent=True)
        assert chart
        assert [line.kind for line in chart.lines] == ["training", "validation"]
        assert chart.lines[0].path == f"M{LEFT + 8} {BOTTOM}L{RIGHT - 8} {TOP}"
        assert list(chart.lines[1].dots) == [(LEFT + 8, TOP), (RIGHT - 8, BOTTOM)]
        assert [text for _, text in chart.x_ticks] == ["1", "2"]
        assert [text for _, text in chart.y_ticks] == ["0 %", "50 %", "100 %"]
        assert [y for y, _ in chart.y_ticks] == [BOTTOM, (TOP + BOTTOM) / 2, TOP]

    def test_strategies_follow_one_another_with_a_mark_between(self) -> None:
        first, second = Stretch("bottleneck", [3, 2, 1], []), Stretch("fine-tune", [2, 1], [2, 1])
        chart = line_chart([first, second], percent=False)
        assert chart
        assert [line.kind for line in chart.lines] == ["training", "training", "validation"]
        xs = [x for line in chart.lines[:2] for x, _ in line.dots]
        assert xs == sorted(xs)
        assert len(set(xs)) == 5
        assert [mark.name for mark in chart.marks] == ["bottleneck", "fine-tune"]
        assert chart.marks[0].x == LEFT
        assert xs[2] < chart.marks[1].x < xs[3]
        assert [text for _, text in chart.x_ticks] == ["1", "2", "3", "4", "5"]

    def test_one_epoch_is_a_dot(self) -> None:
        chart = line_chart([Stretch("s", [0.6], [None])], percent=True)
        assert chart
        assert len(chart.lines) == 1
        assert list(chart.lines[0].dots) == [((LEFT + RIGHT) / 2, BOTTOM)]
        assert [text for _, text in chart.x_ticks] == ["1"]

    @pytest.mark.parametrize("gap", [None, NAN, INFINITE, -INFINITE, 1e300])
    def test_what_cannot_be_drawn_is_a_gap(self, gap: float | None) -> None:
        chart = line_chart([Stretch("s", [1, 2, gap, 3, gap], [])], percent=False)
        assert chart
        assert re.findall("[ML]", chart.lines[0].path) == ["M", "L", "M"]
        assert len(chart.lines[0].dots) == 3
        assert [text for _, text in chart.x_ticks][-1] == "5"

    def test_nothing_to_draw(self) -> None:
        assert line_chart([], percent=True) is None
        assert line_chart([Stretch("s", [], [])], percent=True) is None
        assert line_chart([Stretch("s", [NAN], [None])], percent=False) is None

    def test_of_many_epochs_only_the_lonely_have_a_dot(self) -> None:
        chart = line_chart([Stretch("s", [*[1.0] * 50, None, 2, None], [])], percent=False)
        assert chart
        assert len(chart.lines[0].dots) == 1
        assert [text for _, text in chart.x_ticks] == ["1", "10", "20", "30", "40", "53"]

    def test_a_name_is_as_long_as_there_is_room(self) -> None:
        stretches = [Stretch("a" * 99, [1] * 40, []), Stretch("b" * 99, [1], [])]
        chart = line_chart(stretches, percent=False)
        assert chart
        assert 40 < len(chart.marks[0].text) < 99
        assert chart.marks[1].text == ""
        assert chart.marks[1].name == "b" * 99

    @given(st.lists(st.tuples(VALUES, VALUES), max_size=4), st.booleans())
    def test_all_lies_within_the_frame(
        self,
        given_values: list[tuple[list[float | None], list[float | None]]],
        percent: bool,
    ) -> None:
        if percent:
            given_values = [
                ([v for v in one if v is None or 0 <= v <= 1], []) for one, _ in given_values
            ]
        chart = line_chart([Stretch("s", one, two) for one, two in given_values], percent=percent)
        for line in chart.lines if chart else ():
            numbers = [float(n) for n in re.findall(r"[^ML ]+", line.path)]
            assert all(LEFT <= x <= RIGHT for x in numbers[::2])
            assert all(TOP - 0.1 <= y <= BOTTOM + 0.1 for y in numbers[1::2])


class TestSpans:
    def test_all_on_one_scale(self) -> None:
        found = spans([(0.9, (0.8, 1.0)), (None, None), (0.8, None), (NAN, (0.9, 0.9))])
        assert found
        scale, (first, second, third, fourth) = found
        assert scale == pytest.approx((0.8, 1.0))
        assert first
        assert (first.left, first.x, first.right) == (SPAN[0], sum(SPAN) / 2, SPAN[1])
        assert third
        assert third.left == third.x == third.right == SPAN[0]
        assert second is fourth is None

    def test_nothing_known(self) -> None:
        assert spans([]) is None
        assert spans([(None, None), (NAN, None)]) is None

    @given(st.lists(st.tuples(SHARE, st.tuples(SHARE, SHARE)), min_size=1, max_size=5))
    def test_all_lies_within(self, values: list[tuple[float, tuple[float, float]]]) -> None:
        found = spans(values)
        assert found
        (low, high), shown = found
        assert 0 <= low < high <= 1
        for span in shown:
            assert span
            assert all(SPAN[0] <= x <= SPAN[1] for x in (span.left, span.x, span.right))


class TestReliability:
    def test_a_calibrated_answer_lies_on_the_diagonal(self) -> None:
        dots = reliability([(0.5, 0.5, 25), (0.9, 0.7, 100), (0.1, 0.2, 0), (NAN, 0.2, 3)])
        assert len(dots) == 2
        assert dots[0].y == dots[0].even == (SQUARE[2] + SQUARE[3]) / 2
        assert dots[1].even < dots[1].y  # too sure: below the diagonal
        assert dots[1].radius == 9
        # The area tells the count, but the smallest can still be seen.
        assert math.isclose((dots[0].radius - 2.5) * 2, 6.5, abs_tol=0.1)
        assert dots[1].text == "100 answers: confidence 0.90, accuracy 0.70"
