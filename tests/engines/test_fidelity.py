"""Whether a faster precision answers as float32 does."""

from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray

from cnnkit.engines.base import Answers
from cnnkit.engines.fidelity import PICTURES, Trial, Verdict, compare


def answers(labels: list[int], embeddings: list[list[float]]) -> Answers:
    return np.eye(5, dtype=np.float32)[labels], np.array(embeddings, np.float32)


def test_figures_of_a_case_that_is_easy_to_see() -> None:
    one = answers([0, 1, 2, 3], [[1, 0], [1, 0], [2, 0], [0, 0]])
    two = answers([0, 1, 2, 4], [[5, 0], [3, 4], [1, 0], [0, 0]])
    verdict = compare(one, two)
    assert verdict.pictures == 4
    assert verdict.same_label == 0.75
    assert verdict.median_cosine == pytest.approx(1)
    assert verdict.least_cosine == pytest.approx(0.6)


def test_embeddings_of_any_shape_are_compared() -> None:
    scores = np.eye(3, dtype=np.float32)
    maps = np.random.default_rng(0).random((3, 2, 2, 4), np.float32)
    assert compare((scores, maps), (scores, 2 * maps)).least_cosine == pytest.approx(1)


@pytest.mark.parametrize(
    ("same_label", "median", "holds"),
    [(0.97, 0.998, True), (0.969, 0.999, False), (1.0, 0.9979, False), (1.0, 1.0, True)],
)
def test_the_bounds(same_label: float, median: float, holds: bool) -> None:
    assert Verdict(64, same_label, median, 0.9).holds is holds


def test_a_verdict_is_read_back_and_nonsense_is_none() -> None:
    verdict = Verdict(64, 0.984, 0.9996, 0.99)
    assert Verdict.of({**asdict(verdict), "processor": "any"}) == verdict
    whole = asdict(verdict)
    for figures in (
        {},
        {"pictures": 64},
        whole | {"same_label": "most"},
        whole | {"least_cosine": None},
        whole | {"pictures": float("inf")},
    ):
        assert Verdict.of(figures) is None


def test_answers_that_are_no_numbers_never_hold() -> None:
    one = answers([0, 1], [[1, 0], [1, 0]])
    two = answers([0, 1], [[1, 0], [float("nan"), 0]])
    assert compare(one, two) == Verdict(2, 0.0, -1.0, -1.0)


class TestTrial:
    def test_it_decides_once_on_exactly_the_first_pictures(self) -> None:
        kept: list[Verdict] = []
        seen: list[NDArray[np.uint8]] = []

        def other(pixels: NDArray[np.uint8]) -> Answers:
            seen.append(pixels)
            return answers_for(pixels)

        trial = Trial(other, kept.append)
        pixels = np.arange(3 * PICTURES, dtype=np.uint8).reshape(-1, 1, 1, 1)
        for start in range(0, len(pixels), 10):
            part = pixels[start : start + 10]
            trial.watch(part, answers_for(part))
        assert len(kept) == len(seen) == 1
        assert np.array_equal(seen[0], pixels[:PICTURES])
        assert kept[0].pictures == PICTURES
        assert kept[0].holds

    def test_too_few_pictures_decide_nothing(self) -> None:
        kept: list[Verdict] = []
        trial = Trial(answers_for, kept.append)
        pixels = np.zeros((PICTURES - 1, 1, 1, 1), np.uint8)
        trial.watch(pixels, answers_for(pixels))
        assert kept == []

    def test_one_that_answers_otherwise_is_refused(self) -> None:
        kept: list[Verdict] = []
        trial = Trial(lambda pixels: answers_for(pixels + 1), kept.append)
        pixels = np.arange(PICTURES, dtype=np.uint8).reshape(-1, 1, 1, 1)
        trial.watch(pixels, answers_for(pixels))
        assert kept[0].same_label == 0
        assert not kept[0].holds


def answers_for(pixels: NDArray[np.uint8]) -> Answers:
    """A network of its own kind: the label is the first pixel modulo 5."""
    values = pixels.reshape(len(pixels), -1)[:, 0]
    return np.eye(5, dtype=np.float32)[values % 5], np.ones((len(pixels), 2), np.float32)
