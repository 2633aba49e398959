"""Calibration: known answers, a plain loop, scikit-learn's loss, and scipy's minimum."""

import math
import tracemalloc
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from cnnkit.metrics.calibration import (
    COLDEST,
    HOTTEST,
    Bin,
    cross_entropy,
    expected_calibration_error,
    refinement,
    reliability,
    softmax,
    temperature,
)


def drawn(
    rows: int, classes: int, seed: int, spread: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits, and truths that are drawn with the probabilities softmax(logits)."""
    rng = np.random.default_rng(seed)
    logits = spread * rng.standard_normal((rows, classes))
    noise = rng.gumbel(size=logits.shape)
    return logits, np.argmax(logits + noise, axis=1)


def plain_error(probabilities: NDArray[Any], truth: NDArray[Any], bins: int) -> float:
    """The expected calibration error as the paper writes it, picture by picture."""
    error = 0.0
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    for m in range(1, bins + 1):
        inside = (confidence > (m - 1) / bins) & (confidence <= m / bins)
        if inside.any():
            apart = abs(right[inside].mean() - confidence[inside].mean())
            error += inside.mean() * apart
    return error


class TestReliability:
    def test_a_known_answer(self) -> None:
        probabilities = [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.5, 0.5]]
        bins = reliability(probabilities, [0, 1, 1, 0], bins=2)
        assert bins[0] == Bin(0.0, 0.5, 0.5, 1.0, 1)
        assert astuple(bins[1]) == pytest.approx((0.5, 1.0, 2.3 / 3, 2 / 3, 3))
        error = expected_calibration_error(probabilities, [0, 1, 1, 0], bins=2)
        assert error == pytest.approx(0.25 * 0.5 + 0.75 * (2.3 / 3 - 2 / 3))

    def test_the_ends_belong_to_the_outermost_bins(self) -> None:
        bins = reliability([[0.0, 0.0], [1.0, 0.0]], [0, 0], bins=3)
        assert [each.count for each in bins] == [1, 0, 1]
        assert (bins[1].confidence, bins[1].accuracy) == (None, None)
        assert [each.high for each in bins] == [each.low for each in bins[1:]] + [1.0]

    def test_what_cannot_be_judged_is_left_out(self) -> None:
        probabilities = [[0.7, 0.3], [0.7, 0.3], [np.nan, 0.3]]
        assert sum(each.count for each in reliability(probabilities, [0, -1, 0])) == 1
        assert expected_calibration_error(probabilities, [0, -1, 0]) == pytest.approx(0.3)

    @pytest.mark.parametrize("truth", [[], [-1, -1]], ids=["none", "all unknown"])
    def test_nothing_to_judge_has_no_error(self, truth: list[int]) -> None:
        probabilities = np.full((len(truth), 2), 0.5)
        assert expected_calibration_error(probabilities, truth) is None
        assert [each.count for each in reliability(probabilities, truth, 4)] == [0] * 4

    def test_a_model_of_one_class_is_sure_and_right(self) -> None:
        assert expected_calibration_error([[1.0], [1.0]], [0, 0]) == 0.0
        assert expected_calibration_error(np.empty((2, 0)), [-1, -1]) is None

    def test_logits_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"0\.\.1.*-3 to 4"):
            expected_calibration_error([[4.0, -3.0]], [0])
        with pytest.raises(ValueError, match="bins=0"):
            reliability([[0.5, 0.5]], [0], bins=0)

    def test_a_little_too_much_by_rounding_is_certainty(self) -> None:
        (only,) = reliability(np.array([[1.003, 0.0]], np.float16), [0], bins=1)
        assert only.confidence == 1.0

    @given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(2, 9), st.integers(1, 20))
    def test_as_a_plain_loop(self, seed: int, rows: int, classes: int, bins: int) -> None:
        logits, truth = drawn(rows, classes, seed, spread=2.0)
        probabilities = softmax(logits)
        expected = plain_error(probabilities, truth, bins)
        ours = expected_calibration_error(probabilities, truth, bins)
        assert ours == pytest.approx(expected, abs=1e-12)

    def test_a_model_that_means_what_it_says_has_a_small_error(self) -> None:
        logits, truth = drawn(50_000, 10, seed=3, spread=2.0)
        honest = expected_calibration_error(softmax(logits), truth)
        boastful = expected_calibration_error(softmax(3 * logits), truth)
        assert honest is not None and boastful is not None
        assert honest < 0.01 < 0.1 < boastful


class TestCrossEntropy:
    def test_a_known_answer(self) -> None:
        assert cross_entropy([[0.0, 0.0], [math.log(3.0), 0.0]], [0, 0]) == pytest.approx(
            (math.log(2) + math.log(4 / 3)) / 2
        )

    @given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(2, 9))
    def test_as_scikit_learn(self, seed: int, rows: int, classes: int) -> None:
        logits, truth = drawn(rows, classes, seed, spread=3.0)
        expected = log_loss(truth, softmax(logits), labels=range(classes))
        assert cross_entropy(logits, truth) == pytest.approx(expected, rel=1e-9)

    def test_large_logits_do_not_overflow(self) -> None:
        assert cross_entropy([[1e4, 0.0]], [1]) == 1e4
        assert cross_entropy([[1e308, -1e308]], [0]) == 0.0
        assert cross_entropy(np.array([[6e4, -6e4]], np.float16), [1]) == pytest.approx(1.2e5, 1e-3)

    def test_no_probability_at_all_is_an_infinite_loss(self) -> None:
        assert cross_entropy([[0.0, -np.inf]], [1]) == math.inf
        assert cross_entropy([[0.0, -np.inf]], [0]) == 0.0

    def test_what_cannot_be_judged_is_left_out(self) -> None:
        rows = [[0.0, 0.0], [5.0, 0.0], [np.nan, 0.0], [np.inf, 0.0], [-np.inf, -np.inf]]
        assert cross_entropy(rows, [0, -1, 0, 0, 0]) == pytest.approx(math.log(2))
        assert cross_entropy(rows[1:], [-1, 0, 0, 0]) is None
        assert cross_entropy(np.empty((0, 4)), []) is None


class TestTemperature:
    @pytest.mark.parametrize("true", [0.2, 0.7, 1.0, 2.5, 8.0])
    def test_what_was_done_to_the_logits_is_found_out(self, true: float) -> None:
        logits, truth = drawn(40_000, 8, seed=4, spread=2.0)
        assert temperature(true * logits, truth) == pytest.approx(true, rel=0.03)

    @given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 7), st.floats(-2.5, 4.0))
    def test_no_other_temperature_has_a_lower_loss(
        self, seed: int, rows: int, classes: int, magnitude: float
    ) -> None:
        logits, truth = drawn(rows, classes, seed)
        logits *= 10.0**magnitude
        found = temperature(logits, truth)
        assert COLDEST <= found <= HOTTEST
        if (logits.argmax(axis=1) == truth).all():
            assert found == 1.0
            return

        def loss(log_temperature: float) -> float:
            value = cross_entropy(logits / math.exp(log_temperature), truth)
            assert value is not None
            return value

        bounds = (math.log(COLDEST), math.log(HOTTEST))
        other = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9})
        least = min(float(other.fun), *map(loss, np.linspace(*bounds, 25)))
        assert loss(math.log(found)) <= least * (1 + 1e-12) + 1e-12

    def test_the_slope_is_nothing_where_the_loss_is_least(self) -> None:
        logits, truth = drawn(300, 5, seed=5, spread=4.0)
        found = temperature(logits, truth)
        step = 1e-4
        around = [cross_entropy(logits / (found * (1 + d)), truth) for d in (-step, 0.0, step)]
        assert around[0] is not None and around[1] is not None and around[2] is not None
        assert around[1] < min(around[0], around[2])

    @pytest.mark.parametrize(
        ("logits", "truth"),
        [
            (np.empty((0, 3)), []),
            ([[1.0, 2.0]], [-1]),
            ([[3.0, 1.0], [0.0, 0.1]], [0, 1]),
            ([[2.0], [3.0]], [0, 0]),
            ([[1.0, 1.0]], [1]),
            ([[np.nan, 1.0]], [0]),
        ],
        ids=["no rows", "unknown", "no mistake", "one class", "a tie", "no number"],
    )
    def test_rows_that_cannot_tell_change_nothing(self, logits: Any, truth: Any) -> None:
        assert temperature(logits, truth) == 1.0

    def test_one_mistake_is_enough_to_tell(self) -> None:
        logits, truth = np.tile([4.0, 0.0], (10, 1)), np.array([0] * 9 + [1])
        # Nine in ten are right: p = 0.9 where the logits are 4 apart.
        assert temperature(logits, truth) == pytest.approx(4 / math.log(9), rel=1e-9)

    def test_the_bounds_hold(self) -> None:
        assert temperature([[5.0, 0.0], [5.0, 0.0], [0.0, 5.0]], [1, 1, 1]) == HOTTEST
        almost_flat = np.tile([1e-4, 0.0], (10, 1))
        assert temperature(almost_flat, [0] * 9 + [1]) == COLDEST
        assert temperature([[1e9, 0.0]] * 9 + [[0.0, 1e9]], [0] * 10) == HOTTEST

    def test_no_probability_at_all_does_no_harm(self) -> None:
        logits = np.array([[4.0, 0.0, -np.inf]] * 10)
        assert temperature(logits, [0] * 9 + [1]) == pytest.approx(4 / math.log(9), rel=1e-9)
        assert temperature(logits, [0] * 9 + [2]) == HOTTEST

    def test_logarithms_of_probabilities_are_logits_too(self) -> None:
        logits, truth = drawn(500, 6, seed=6, spread=3.0)
        again = temperature(np.log(softmax(logits)), truth)
        assert again == pytest.approx(temperature(logits, truth), rel=1e-8)

    def test_it_mends_a_boastful_model(self) -> None:
        logits, truth = drawn(20_000, 10, seed=7, spread=2.0)
        found = temperature(4 * logits, truth)
        before = expected_calibration_error(softmax(4 * logits), truth)
        after = expected_calibration_error(softmax(4 * logits, found), truth)
        assert before is not None and after is not None
        assert after < 0.02 < 0.1 < before

    def test_many_rows_take_little_memory(self) -> None:
        rng = np.random.default_rng(8)
        logits = rng.standard_normal((40_000, 100)).astype(np.float32)
        truth = rng.integers(0, 100, 40_000)
        tracemalloc.start()
        found = temperature(logits, truth)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert found == HOTTEST or found > 3
        assert most < 2.5 * logits.nbytes


class TestRefinement:
    def test_a_known_answer(self) -> None:
        logits, truth = np.tile([4.0, 0.0], (10, 1)), np.array([0] * 9 + [1])
        entropy = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
        assert refinement(logits, truth) == pytest.approx(entropy, rel=1e-12)

    @pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
    def test_how_sure_the_model_is_does_not_count(self, scale: float) -> None:
        logits, truth = drawn(500, 6, seed=6, spread=3.0)
        expected = cross_entropy(logits / temperature(logits, truth), truth)
        assert refinement(scale * logits, truth) == pytest.approx(expected, rel=1e-9)

    @given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5))
    def test_it_is_the_least_of_all_losses(self, seed: int, rows: int, classes: int) -> None:
        logits, truth = drawn(rows, classes, seed)
        found = refinement(logits, truth)
        assert found is not None
        for each in np.geomspace(COLDEST, HOTTEST, 9):
            loss = cross_entropy(logits / each, truth)
            assert loss is not None and found <= loss * (1 + 1e-12) + 1e-12

    def test_one_without_a_mistake_is_better_than_any_other(self) -> None:
        narrow, wide = [[0.2, 0.0], [0.0, 0.1]], [[0.4, 0.0], [0.0, 0.2]]
        told = [refinement(logits, [0, 1]) for logits in (wide, narrow, [[0.0, 0.0]] * 2)]
        assert told[0] is not None and told[1] is not None
        assert told[0] < told[1] < 0.1
        assert told[2] == pytest.approx(math.log(2))

    def test_nobody_says_anything(self) -> None:
        assert refinement(np.empty((0, 3)), []) is None
        assert refinement([[1.0, 2.0]], [-1]) is None


class TestSoftmax:
    def test_a_known_answer(self) -> None:
        assert softmax([[math.log(9.0), 0.0]], 2.0).tolist() == [pytest.approx([0.75, 0.25])]
        assert softmax([[1e300, 0.0]]).tolist() == [[1.0, 0.0]]
        assert softmax(np.empty((0, 3))).shape == (0, 3)

    def test_a_row_without_a_best_is_no_number(self) -> None:
        assert np.isnan(softmax([[np.inf, 0.0], [-np.inf, -np.inf]])).all()

    @pytest.mark.parametrize("bad", [0.0, -1.0, math.nan])
    def test_the_temperature_is_above_0(self, bad: float) -> None:
        with pytest.raises(ValueError, match="temperature above 0"):
            softmax([[0.0]], bad)
