"""Probabilities and truths → an evaluation."""

import numpy as np
import pytest

from cnnkit.metrics.calibration import expected_calibration_error
from cnnkit.records import ClassRow, Example
from cnnkit.tasks.tally import Tally
from cnnkit.tasks.truths import Truths


def filled(count: int, labels: list[str], scores: np.ndarray) -> Tally:
    """A tally of classes c0, c1, …; other labels are unknown."""
    names = tuple(f"c{i}" for i in range(count))
    places = {each: names.index(each) if each in names else -1 for each in labels}
    tally = Tally(Truths(names, places))
    for first in range(0, len(labels), 3):  # as batches come
        some = [Example(f"{i}.jpg", each) for i, each in enumerate(labels)][first : first + 3]
        tally.add(some, scores[first : first + 3])
    return tally


def test_figures_by_hand() -> None:
    scores = np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8]], np.float32)
    found = filled(2, ["c0", "c0", "c1", "weed"], scores).evaluation(0)
    assert (found.pictures, found.unknown) == (4, 1)
    assert (found.top1, found.top5) == (0.5, 0.75)
    assert found.classes == (
        ClassRow("c0", 1.0, 0.5, pytest.approx(2 / 3), 2),  # type: ignore[arg-type]
        ClassRow("c1", 0.5, 1.0, pytest.approx(2 / 3), 1),  # type: ignore[arg-type]
    )
    assert found.confusion == ((1, 1), (0, 1))
    assert found.balanced_accuracy == 0.75
    assert found.macro_f1 == pytest.approx(2 / 3)


def test_each_picture_is_told_what_was_said_of_it() -> None:
    tally = Tally(Truths(("a", "b"), {"A": 0, "weed": -1}))
    told = tally.add([Example("1", "A"), Example("2", "weed")], np.array([[0.2, 0.8], [0.5, 0.5]]))
    assert [(j.path, j.label, j.predicted, j.rank, j.correct) for j in told] == [
        ("1", "a", "b", 2, False), ("2", "weed", "a", None, False)
    ]  # fmt: skip
    assert [j.score for j in told] == [0.8, 0.5]


@pytest.mark.parametrize("count", [3, 200, 201, 400])
def test_the_table_is_of_all_classes_or_of_those_concerned(count: int) -> None:
    rng = np.random.default_rng(1)
    labels = [f"c{i}" for i in rng.integers(0, count, 25)] + ["weed"]
    scores = rng.dirichlet(np.ones(count) / 9, 26).astype(np.float32)
    found = filled(count, labels, scores).evaluation(0)
    guesses = {f"c{i}" for i in scores[:25].argmax(1)}
    if count <= 200:
        assert found.labels == tuple(f"c{i}" for i in range(count))
    else:
        assert set(found.labels) == guesses | set(labels[:25])
        assert found.labels == tuple(sorted(found.labels, key=lambda name: int(name[1:])))
    matrix = np.array(found.confusion)
    assert matrix.shape == (len(found.labels),) * 2
    for label, guess in zip(labels[:25], scores.argmax(1), strict=False):
        matrix[found.labels.index(label), found.labels.index(f"c{guess}")] -= 1
    assert not matrix.any()
    supports = {each.label: each.support for each in found.classes}
    assert all(supports[label] == labels.count(label) for label in found.labels)


def test_calibration_is_that_of_the_whole_table() -> None:
    rng = np.random.default_rng(2)
    scores = rng.dirichlet(np.ones(7) / 3, 300).astype(np.float32)
    truth = rng.integers(-1, 7, 300)
    labels = ["weed" if place < 0 else f"c{place}" for place in truth]
    found = filled(7, labels, scores).evaluation(0)
    assert found.ece == pytest.approx(expected_calibration_error(scores, truth), abs=1e-9)


def test_the_seed_draws_the_intervals() -> None:
    scores = np.random.default_rng(3).dirichlet(np.ones(9), 60).astype(np.float32)
    tally = filled(9, [f"c{i % 9}" for i in range(60)], scores)
    first, again, other = tally.evaluation(0), tally.evaluation(0), tally.evaluation(1)
    assert first == again
    assert first.top1_interval != other.top1_interval or first.top5_interval != other.top5_interval
    low, high = first.top1_interval or (1, 0)
    assert low <= (first.top1 or 0) <= high


def test_no_picture_at_all_has_no_figures() -> None:
    found = filled(3, [], np.empty((0, 3))).evaluation(0)
    assert (found.pictures, found.top1, found.ece, found.top1_interval) == (0, None, None, None)
    assert found.confusion == ((0, 0, 0),) * 3
