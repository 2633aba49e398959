"""The bootstrap: against scipy's, against the binomial, and as often right as it says."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnnkit.metrics.bootstrap import Difference, difference, interval


def some_hits(right: int, wrong: int) -> np.ndarray:
    return np.array([True] * right + [False] * wrong)


class TestInterval:
    def test_it_is_the_quantiles_of_a_binomial(self) -> None:
        found = interval(some_hits(170, 30), seed=1, resamples=200_000)
        expected = stats.binom.ppf([0.025, 0.975], 200, 0.85) / 200
        assert found == pytest.approx(expected, abs=0.0051)

    def test_as_scipy_on_any_values(self) -> None:
        values = np.random.default_rng(2).gamma(2.0, size=150)
        expected = stats.bootstrap(
            (values,), np.mean, n_resamples=20_000, method="percentile", rng=3
        ).confidence_interval
        assert interval(values, seed=4, resamples=20_000) == pytest.approx(
            (expected.low, expected.high), abs=0.02
        )

    def test_the_level_is_kept(self) -> None:
        rng = np.random.default_rng(5)
        inside = 0
        for seed in range(400):
            found = interval(rng.random(300) < 0.8, seed=seed, resamples=500, level=0.9)
            assert found is not None
            inside += found[0] <= 0.8 <= found[1]
        assert 0.84 < inside / 400 < 0.95

    def test_the_same_seed_gives_the_same_interval(self) -> None:
        values = np.random.default_rng(6).random(50)
        assert interval(values, seed=1) == interval(values, seed=1)
        assert interval(values, seed=1) != interval(values, seed=2)

    def test_the_order_of_the_pictures_does_not_matter(self) -> None:
        values = np.random.default_rng(7).random(50)
        assert interval(values, seed=1) == interval(values[::-1], seed=1)

    def test_no_pictures_have_no_interval(self) -> None:
        assert interval([], seed=0) is None

    @pytest.mark.parametrize("count", [1, 7, 24, 5000])
    def test_without_a_mistake_it_is_the_exact_one(self, count: int) -> None:
        expected = stats.binomtest(count, count).proportion_ci(method="exact")
        assert interval([True] * count, seed=0) == pytest.approx((expected.low, expected.high))
        expected = stats.binomtest(0, count).proportion_ci(0.9, method="exact")
        found = interval([False] * count, seed=0, level=0.9)
        assert found == pytest.approx((expected.low, expected.high))

    @pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
    @pytest.mark.parametrize("count", [1, 7])
    def test_what_does_not_vary_has_no_width(self, value: float, count: int) -> None:
        found = interval([value] * count, seed=0)
        assert found == pytest.approx((value, value), abs=1e-15)

    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0.01, 0.99))
    def test_it_lies_within_the_values(self, values: list[float], level: float) -> None:
        found = interval(values, seed=0, resamples=50, level=level)
        assert found is not None
        slack = 1e-9 * (1 + max(map(abs, values)))
        assert min(values) - slack <= found[0] <= found[1] <= max(values) + slack

    def test_a_higher_level_is_wider(self) -> None:
        hits = some_hits(60, 40)
        narrow, wide = interval(hits, seed=0, level=0.5), interval(hits, seed=0, level=0.99)
        assert narrow is not None and wide is not None
        assert wide[0] < narrow[0] < 0.6 < narrow[1] < wide[1]

    @pytest.mark.parametrize(
        "arguments", [{"resamples": 0}, {"level": 0.0}, {"level": 1.0}, {"level": 95}], ids=str
    )
    def test_arguments_without_sense_are_refused(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="between 0 and 1"):
            interval([1.0], seed=0, **arguments)

    @pytest.mark.parametrize("values", [[np.nan], [np.inf, 0.0], [[1.0]]], ids=str)
    def test_values_without_a_mean_are_refused(self, values: list[Any]) -> None:
        with pytest.raises(ValueError, match="finite values"):
            interval(values, seed=0)

    @pytest.mark.parametrize("kinds", [2, 20_000])
    def test_many_pictures_take_little_memory(self, kinds: int) -> None:
        values = np.arange(20_000) % kinds / kinds
        tracemalloc.start()
        assert interval(values, seed=0, resamples=100) is not None
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 40e6


class TestDifference:
    def test_a_known_answer(self) -> None:
        one, two = some_hits(8, 2), some_hits(5, 5)
        found = difference(one, two, seed=0, resamples=100_000)
        assert found is not None
        assert found.value == pytest.approx(0.3)
        expected = stats.binom.ppf([0.025, 0.975], 10, 0.3) / 10
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)

    def test_pairs_stay_together(self) -> None:
        hits = np.random.default_rng(1).random(400) < 0.5
        assert difference(hits, hits, seed=0) == Difference(0.0, 0.0, 0.0)
        other = hits.copy()
        other[:8] = ~other[:8]
        paired = difference(hits, other, seed=0)
        apart = interval(hits, seed=0)
        assert paired is not None and apart is not None
        assert paired.high - paired.low < 0.4 * (apart[1] - apart[0])

    def test_turned_round_it_is_the_opposite(self) -> None:
        rng = np.random.default_rng(2)
        one, two = rng.random((2, 300)) < [[0.9], [0.8]]
        forth, back = difference(one, two, seed=3), difference(two, one, seed=3)
        assert forth is not None and back is not None
        assert forth.value == -back.value > 0
        assert (forth.low, forth.high) == pytest.approx((-back.high, -back.low), abs=0.01)

    def test_as_scipy(self) -> None:
        rng = np.random.default_rng(4)
        one, two = rng.random((2, 200))
        expected = stats.bootstrap(
            (one, two), lambda a, b, axis: np.mean(a - b, axis=axis), paired=True,
            n_resamples=20_000, method="percentile", rng=5,
        ).confidence_interval  # fmt: skip
        found = difference(one, two, seed=6, resamples=20_000)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.003)

    def test_no_pictures_have_no_difference(self) -> None:
        assert difference([], [], seed=0) is None

    def test_other_pictures_are_refused(self) -> None:
        with pytest.raises(ValueError, match="2 and 1"):
            difference([0.0, 1.0], [0.0], seed=0)
