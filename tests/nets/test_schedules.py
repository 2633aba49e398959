"""The learning rate of every step."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnkit.nets.schedules import PLATEAU_PATIENCE, learning_rate
from cnnkit.records import Fitting, Schedule

PLAIN = Fitting(epochs=6, learning_rate=0.2)


def rates(fitting: Fitting, steps: int, reductions: int = 0) -> list[float]:
    return [
        learning_rate(fitting, step, steps, reductions) for step in range(steps * fitting.epochs)
    ]


def test_cosine_annealing() -> None:
    """Loshchilov and Hutter 2017, equation 5, from the peak to a hundredth of it."""
    expected = [
        0.002 + 0.5 * (0.2 - 0.002) * (1 + math.cos(math.pi * step / 24)) for step in range(24)
    ]
    np.testing.assert_allclose(rates(PLAIN, 4), expected)


def test_a_tenth_after_each_third() -> None:
    expected = [0.2] * 8 + [0.02] * 8 + [0.002] * 8
    np.testing.assert_allclose(rates(replace(PLAIN, schedule="step"), 4), expected)


def test_constant() -> None:
    assert rates(replace(PLAIN, schedule="constant"), 3, 7) == [0.2] * 18


def test_a_half_after_each_plateau() -> None:
    assert PLATEAU_PATIENCE == 3
    plateau = replace(PLAIN, schedule="plateau")
    assert [rates(plateau, 1, each)[0] for each in (0, 1, 2)] == [0.2, 0.1, 0.05]


def test_the_warm_up_is_a_straight_line_to_the_peak() -> None:
    constant = replace(PLAIN, schedule="constant", warmup=1.5)
    expected = [0.2 * (step + 1) / 6 for step in range(6)] + [0.2] * 18
    np.testing.assert_allclose(rates(constant, 4), expected)
    cosine = rates(replace(constant, schedule="cosine"), 4)
    np.testing.assert_allclose(cosine[:6], expected[:6])
    assert cosine[6] == pytest.approx(0.2)
    third = rates(replace(constant, schedule="step"), 4)
    np.testing.assert_allclose(third[6:], [0.2] * 6 + [0.02] * 6 + [0.002] * 6)


def test_a_warm_up_that_outlasts_the_run() -> None:
    told = rates(replace(PLAIN, warmup=12.0), 2)
    np.testing.assert_allclose(told, [0.2 * (step + 1) / 24 for step in range(12)])


@given(
    st.sampled_from(["cosine", "step", "plateau", "constant"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(0, 50),
    st.floats(1e-12, 1e3),
    st.integers(0, 20),
)
def test_a_rate_is_above_nothing_and_never_above_its_peak(
    schedule: Schedule, epochs: int, steps: int, warmup: float, peak: float, reductions: int
) -> None:
    fitting = Fitting(epochs=epochs, learning_rate=peak, schedule=schedule, warmup=warmup)
    told = rates(fitting, steps, reductions)
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in told)
    rising = math.ceil(warmup * steps)
    assert all(one <= two for one, two in pairwise(told[:rising]))
    falling = told[rising:]
    assert all(one >= two * (1 - 1e-12) for one, two in pairwise(falling))
