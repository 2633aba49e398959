"""Accuracy and what the confusion matrix tells, held against scikit-learn."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle

from cnnkit.metrics.accuracy import (
    Averages,
    ClassFigures,
    balanced_accuracy,
    confusion,
    hits,
    macro,
    per_class,
    ranks,
    top_k,
    weighted,
)
from cnnkit.metrics.truth import unknown

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
TRUTH = np.array([1, 1, 0, -1])


class TestTopK:
    def test_a_known_answer(self) -> None:
        assert ranks(SCORES, TRUTH).tolist() == [1, 2, 3, 0]
        assert [top_k(SCORES, TRUTH, k) for k in (1, 2, 3)] == [0.25, 0.5, 0.75]

    def test_an_unknown_class_is_wrong_however_many_answers_count(self) -> None:
        assert hits(SCORES, TRUTH, 99).tolist() == [True, True, True, False]
        assert unknown(TRUTH) == 1 and unknown([]) == 0

    def test_no_pictures_have_no_accuracy(self) -> None:
        assert top_k(np.empty((0, 3)), [], 1) is None
        assert ranks(np.empty((0, 3)), []).shape == (0,)

    @given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 7), st.booleans())
    def test_as_a_stable_sort_ranks(self, seed: int, rows: int, classes: int, ties: bool) -> None:
        rng = np.random.default_rng(seed)
        scores: NDArray[Any] = rng.standard_normal((rows, classes)).astype(np.float32)
        if ties:
            scores = rng.integers(-1, 2, (rows, classes))
        truth = rng.integers(0, classes, rows)
        order = np.argsort(-scores, axis=1, kind="stable")
        assert np.array_equal(ranks(scores, truth), np.argwhere(order == truth[:, None])[:, 1] + 1)
        for k in range(1, classes + 1):
            expected = np.mean([truth[i] in order[i, :k] for i in range(rows)])
            assert top_k(scores, truth, k) == pytest.approx(expected, abs=1e-15)

    def test_as_scikit_learn_where_nothing_ties(self) -> None:
        rng = np.random.default_rng(1)
        scores, truth = rng.random((9000, 12)), rng.integers(0, 12, 9000)
        for k in (1, 2, 5):
            expected = oracle.top_k_accuracy_score(truth, scores, k=k, labels=range(12))
            assert top_k(scores, truth, k) == pytest.approx(expected, abs=1e-15)

    def test_a_score_that_is_no_number_is_never_right(self) -> None:
        scores = np.array([[np.nan, 0.1], [np.nan, 0.1], [np.nan, np.nan], [np.inf, -np.inf]])
        assert ranks(scores, [0, 1, 0, 1]).tolist() == [0, 1, 0, 2]

    def test_whole_numbers_are_compared_as_such(self) -> None:
        assert ranks(np.array([[0, 200]], np.uint8), [1]).tolist() == [1]

    @pytest.mark.parametrize(
        ("truth", "message"),
        [
            ([0], "Expected 4 truths"),
            ([0, 0, 0, 3], "from -1 to 2"),
            ([0, 0, 0, -2], "from -1 to 2"),
            ([0.0, 0.0, 0.0, 1.0], "whole numbers"),
            ([[0, 0, 0, 0]], "whole numbers"),
        ],
        ids=str,
    )
    def test_a_truth_that_does_not_fit_is_refused(self, truth: list[Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ranks(SCORES, truth)

    def test_scores_and_k_are_checked(self) -> None:
        with pytest.raises(ValueError, match=r"\(n, classes\)"):
            ranks([0.5, 0.5], [0, 1])
        with pytest.raises(ValueError, match="k=0"):
            top_k(SCORES, TRUTH, 0)


class TestConfusion:
    def test_rows_are_the_truth(self) -> None:
        matrix = confusion([0, 0, 1, -1], [0, 2, 1, 2], 3)
        assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
        assert matrix.dtype == np.int64

    def test_nothing_in_nothing_out(self) -> None:
        assert confusion([], [], 2).tolist() == [[0, 0], [0, 0]]
        assert confusion([-1], [0], 1).tolist() == [[0]]
        assert confusion([], [], 0).shape == (0, 0)

    def test_a_guess_must_be_a_class(self) -> None:
        with pytest.raises(ValueError, match="guesses from 0 to 1"):
            confusion([0], [-1], 2)
        with pytest.raises(ValueError, match="Received: 0 to 2"):
            confusion([0, 1], [0, 2], 2)
        with pytest.raises(ValueError, match="Expected 2 truths"):
            confusion([0, 1], [0], 2)

    @given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 8))
    def test_as_scikit_learn(self, seed: int, rows: int, classes: int) -> None:
        rng = np.random.default_rng(seed)
        truth, guess = rng.integers(0, classes, (2, rows))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it wonders at a single class
            expected = oracle.confusion_matrix(truth, guess, labels=range(classes))
        assert np.array_equal(confusion(truth, guess, classes), expected)


class TestPerClass:
    def test_a_known_answer(self) -> None:
        figures = per_class(np.array([[2, 2, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]))
        assert figures == (
            ClassFigures(1.0, 0.5, 2 / 3, 4),
            ClassFigures(0.25, 1.0, 0.4, 1),
            ClassFigures(None, 0.0, 0.0, 1),
            ClassFigures(None, None, None, 0),
        )
        assert macro(figures).f1 == pytest.approx((2 / 3 + 0.4) / 3)
        assert balanced_accuracy(figures) == 0.5

    def test_a_class_that_is_only_guessed_counts_in_the_macro_average(self) -> None:
        figures = per_class(np.array([[1, 1], [0, 0]]))
        assert figures[1] == ClassFigures(0.0, None, 0.0, 0)
        assert macro(figures) == Averages(0.5, 0.25, 1 / 3)
        assert weighted(figures) == Averages(1.0, 0.5, 2 / 3)
        assert balanced_accuracy(figures) == 0.5

    def test_no_pictures_have_no_figures(self) -> None:
        figures = per_class(np.zeros((2, 2), np.int64))
        assert macro(figures) == weighted(figures) == Averages(None, None, None)
        assert balanced_accuracy(figures) is None
        assert per_class(np.zeros((0, 0), np.int64)) == ()

    @given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 9))
    def test_as_scikit_learn(self, seed: int, rows: int, classes: int) -> None:
        rng = np.random.default_rng(seed)
        truth, guess = rng.integers(0, classes, (2, rows))
        figures = per_class(confusion(truth, guess, classes))
        expected = oracle.precision_recall_fscore_support(
            truth, guess, labels=range(classes), zero_division=np.nan
        )
        ours = np.array([[f.precision, f.recall, f.f1, f.support] for f in figures], np.float64)
        np.testing.assert_allclose(ours.T, np.array(expected), rtol=1e-12)
        for average, name in ((macro(figures), "macro"), (weighted(figures), "weighted")):
            p, r, f, _ = oracle.precision_recall_fscore_support(
                truth, guess, average=name, zero_division=0
            )
            assert (average.precision, average.recall, average.f1) == pytest.approx((p, r, f))
        recalls = [np.mean(guess[truth == c] == c) for c in np.unique(truth)]
        assert balanced_accuracy(figures) == pytest.approx(np.mean(recalls))

    def test_the_balanced_accuracy_is_that_of_scikit_learn(self) -> None:
        rng = np.random.default_rng(2)
        truth, guess = rng.integers(0, 5, (2, 200))
        ours = balanced_accuracy(per_class(confusion(truth, guess, 7)))
        assert ours == pytest.approx(oracle.balanced_accuracy_score(truth, guess))
